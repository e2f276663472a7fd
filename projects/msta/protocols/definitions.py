"""What each protocol trains and tests: lists, class lists, seeds, configs. No torch.

========== ============================================== =====================================
protocol   trained on                                     tested on, each within its own classes
========== ============================================== =====================================
zero_shot  all videos of Kinetics-400                     three splits of another data set
few_shot   2, 4, 8 or 16 videos per class                 the first official test split
base2novel 16 (or K) videos of each base class            base classes; novel classes
supervised all training videos                            the validation videos
========== ============================================== =====================================
"""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOLS = ('zero_shot', 'few_shot', 'base2novel', 'supervised')
DATASETS = {
    'zero_shot': ('hmdb51', 'ucf101', 'kinetics600', 'shapes'),
    'few_shot': ('hmdb51', 'ucf101', 'ssv2', 'shapes'),
    'base2novel': ('hmdb51', 'ucf101', 'ssv2', 'kinetics400', 'shapes'),
    'supervised': ('kinetics400', 'shapes'),
}
DEFAULT_SEEDS = {'zero_shot': (1,), 'few_shot': (1, 2, 3), 'base2novel': (1, 2, 3)}
# Videos per class of each training; the other protocols train on all videos.
DEFAULT_SHOTS = {'few_shot': (2, 4, 8, 16), 'base2novel': (16,)}
# Learning rates that a search tries at most.
MOST_RATES = 7
# The paper's number of classes, base and novel.
CLASS_COUNTS = {
    'hmdb51': (26, 25),
    'ucf101': (51, 50),
    'ssv2': (87, 87),
    'kinetics400': (200, 200),
    'shapes': (24, 24),
}
# How the names of a model's configs begin, and the base file of its foundation. Further models,
# by the names of ``foundation.KNOWN_WEIGHTS``, are another size of one of them.
MODELS = {
    'viclip-b16': ('msta-vitb16_viclip-pre', 'msta_viclip_b16'),
    'clip-b16': ('msta-vitb16_clip-pre', 'msta_clip_b16'),
    'pe-core-b16': ('msta-vitb16_pe-core-pre', 'msta_pe_core_b16'),
    'siglip-v2-b16': ('msta-vitb16_siglip2-pre', 'msta_siglip2_b16'),
    'viclip-tiny': ('msta-tiny_viclip-pre', 'msta_viclip_tiny'),
}
_HALVES = ('base', 'novel')
_SHIPPED_LABELS = ('hmdb51', 'ucf101', 'ssv2', 'kinetics400')
# Names in ViFi-CLIP's lists, as tools/data/make_splits.py published writes them.
_VIFICLIP = {'hmdb51': 'hmdb', 'ucf101': 'ucf', 'kinetics400': 'k400', 'kinetics600': 'k600'}


class ProtocolError(ValueError):
    """A protocol that cannot be run as asked, or whose data are not what it says."""


@dataclass(frozen=True)
class Lists:
    """A list of videos and the class list its labels are indices of, in a data folder.

    ``labels`` is a file of that folder, or the name of a shipped class list; None: the config's.
    """

    videos: str
    labels: str | None


@dataclass(frozen=True)
class Cell:
    """One training with its tests: ``tests`` maps a part's name ('base', 'split1') to its lists."""

    seed: int
    shots: int | None
    train: Lists
    tests: dict[str, Lists]

    @property
    def name(self) -> str:
        return f'{self.shots}shot_seed{self.seed}' if self.shots else f'seed{self.seed}'


def cells(
    protocol: str,
    dataset: str,
    seeds: tuple[int, ...],
    shots: tuple[int, ...] = (),
    published: bool = False,
) -> list[Cell]:
    """Return the trainings of a protocol, in the order of the report.

    Args:
        protocol: one of ``PROTOCOLS``.
        dataset: the data set tested on.
        seeds: of the training, and of the draw of its videos.
        shots: videos per class, by default those of the protocol.
        published: lists of ViFi-CLIP, by their names, instead of those of this project.

    Raises:
        ProtocolError: shots, or published lists, that the protocol does not have.
    """
    default = DEFAULT_SHOTS.get(protocol)
    if shots and default is None:
        raise ProtocolError(f'--shots: {protocol} trains on all videos; leave it out')
    if protocol == 'base2novel' and len(shots) > 1:
        raise ProtocolError(
            f'--shots {" ".join(map(str, shots))}: base2novel reports one number of shots at a '
            'time; run it once for each'
        )
    if published and (
        dataset == 'shapes' or (protocol == 'base2novel' and shots not in ((), (16,)))
    ):
        what = 'of the Shapes world' if dataset == 'shapes' else 'of other than 16 shots'
        raise ProtocolError(f'--lists vificlip: there are no published lists {what}')
    lists = _shapes if dataset == 'shapes' else _vificlip if published else _own
    wanted: tuple[int | None, ...] = shots or default or (None,)
    return [Cell(seed, k, *lists(protocol, dataset, seed, k)) for k in wanted for seed in seeds]


_Both = tuple[Lists, dict[str, Lists]]  # to train on, and to test on by part


def _own(protocol: str, dataset: str, seed: int, shots: int | None) -> _Both:
    """The lists that ``tools/data/make_splits.py`` writes."""
    labels = dataset if dataset in _SHIPPED_LABELS else None
    if protocol == 'base2novel':
        tests = {half: Lists(f'{half}_test.txt', f'{half}_labels.txt') for half in _HALVES}
        return Lists(f'base_train_{shots}shot_seed{seed}.txt', 'base_labels.txt'), tests
    if protocol == 'zero_shot':
        tests = {f'split{n}': Lists(f'test{n}.txt', labels) for n in (1, 2, 3)}
        if dataset == 'kinetics600':
            tests = {split: Lists(f'test_{split}.txt', f'labels_{split}.txt') for split in tests}
        return Lists('train.txt', 'kinetics400'), tests
    train = f'train_{shots}shot_seed{seed}.txt' if protocol == 'few_shot' else 'train.txt'
    test = 'test1.txt' if dataset in ('hmdb51', 'ucf101') else 'val.txt'
    return Lists(train, labels), {'test': Lists(test, labels)}


def _vificlip(protocol: str, dataset: str, seed: int, shots: int | None) -> _Both:
    """ViFi-CLIP's lists, by the names that ``make_splits.py published`` gives them."""
    name = _VIFICLIP.get(dataset, dataset)
    labels = dataset if dataset in _SHIPPED_LABELS else None

    def of_its_own(stem: str) -> Lists:
        return Lists(f'{stem}.txt', f'{stem}_labels.txt')

    if protocol == 'base2novel':
        tests = {half: of_its_own(f'base2novel_{name}_{half}_val') for half in _HALVES}
        return of_its_own(f'base2novel_{name}_base_train_seed{seed}'), tests
    if protocol == 'zero_shot':
        tests = {f'split{n}': Lists(f'{name}_val{n}.txt', labels) for n in (1, 2, 3)}
        if dataset == 'kinetics600':
            tests = {f'split{n}': of_its_own(f'{name}_zero_shot_{n}') for n in (1, 2, 3)}
        return Lists('train.txt', 'kinetics400'), tests
    train = f'{name}_few_shot_{shots}.txt' if protocol == 'few_shot' else 'train.txt'
    test = {'ssv2': 'ssv2_validation', 'kinetics400': 'k400_val'}.get(dataset, f'{name}_val1')
    return Lists(train, labels), {'test': Lists(f'{test}.txt', labels)}


def _shapes(protocol: str, dataset: str, seed: int, shots: int | None) -> _Both:
    """The lists of the Shapes world."""
    drawn = f'train_{shots}shot_seed{seed}.txt'
    if protocol == 'base2novel':
        tests = {half: Lists(f'{half}_test.txt', f'labels_{half}.txt') for half in _HALVES}
        return Lists(f'base_{drawn}', 'labels_base.txt'), tests
    if protocol == 'zero_shot':
        files = {'novel': 'novel_test.txt', 'plain novel': 'plain_novel_test.txt'}
        tests = {part: Lists(file, 'labels_novel.txt') for part, file in files.items()}
        return Lists('base_train.txt', 'labels_base.txt'), tests
    train = f'target_{drawn}' if protocol == 'few_shot' else 'target_train.txt'
    return Lists(train, 'labels.txt'), {'test': Lists('target_test.txt', 'labels.txt')}


def list_to_draw_from(dataset: str) -> Lists | None:
    """Return the list that shots are drawn from, of all classes; None where it is not known."""
    if dataset == 'shapes':
        return Lists('target_train.txt', 'labels.txt')
    file = 'train1.txt' if dataset in ('hmdb51', 'ucf101') else 'train.txt'
    return Lists(file, dataset) if dataset in _SHIPPED_LABELS else None
