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
    tests = lists_to_test(protocol, dataset, published)
    wanted: tuple[int | None, ...] = shots or default or (None,)
    return [
        Cell(seed, k, lists_to_train(protocol, dataset, seed, k, published), tests)
        for k in wanted
        for seed in seeds
    ]


def lists_to_test(protocol: str, dataset: str, published: bool = False) -> dict[str, Lists]:
    """Part -> what is tested."""
    name = _VIFICLIP.get(dataset, dataset)
    if protocol == 'base2novel':
        if dataset == 'shapes':
            return {h: Lists(f'{h}_test.txt', f'labels_{h}.txt') for h in ('base', 'novel')}
        if published:
            files = {half: f'base2novel_{name}_{half}_val' for half in ('base', 'novel')}
            return {h: Lists(f'{file}.txt', f'{file}_labels.txt') for h, file in files.items()}
        return {h: Lists(f'{h}_test.txt', f'{h}_labels.txt') for h in ('base', 'novel')}
    if dataset == 'shapes':
        if protocol == 'zero_shot':
            files = {'novel': 'novel_test.txt', 'plain novel': 'plain_novel_test.txt'}
            return {part: Lists(file, 'labels_novel.txt') for part, file in files.items()}
        return {'test': Lists('target_test.txt', 'labels.txt')}
    if protocol == 'zero_shot':
        return {f'split{n}': _zero_shot_split(dataset, name, n, published) for n in (1, 2, 3)}
    labels = dataset if dataset in ('hmdb51', 'ucf101', 'ssv2', 'kinetics400') else None
    if published:
        file = {'ssv2': 'ssv2_validation', 'kinetics400': 'k400_val'}.get(dataset, f'{name}_val1')
        return {'test': Lists(f'{file}.txt', labels)}
    file = {'hmdb51': 'test1', 'ucf101': 'test1'}.get(dataset, 'val')
    return {'test': Lists(f'{file}.txt', labels)}


def _zero_shot_split(dataset: str, name: str, number: int, published: bool) -> Lists:
    if dataset == 'kinetics600':
        if published:
            file = f'{name}_zero_shot_{number}'
            return Lists(f'{file}.txt', f'{file}_labels.txt')
        return Lists(f'test_split{number}.txt', f'labels_split{number}.txt')
    labels = dataset if dataset in ('hmdb51', 'ucf101') else None
    return Lists(f'{name}_val{number}.txt' if published else f'test{number}.txt', labels)


def lists_to_train(
    protocol: str, dataset: str, seed: int, shots: int | None, published: bool = False
) -> Lists:
    """What is trained on."""
    name = _VIFICLIP.get(dataset, dataset)
    if dataset == 'shapes':
        return {
            'zero_shot': Lists('base_train.txt', 'labels_base.txt'),
            'few_shot': Lists(f'target_train_{shots}shot_seed{seed}.txt', 'labels.txt'),
            'base2novel': Lists(f'base_train_{shots}shot_seed{seed}.txt', 'labels_base.txt'),
            'supervised': Lists('target_train.txt', 'labels.txt'),
        }[protocol]
    if protocol == 'base2novel':
        if published:
            file = f'base2novel_{name}_base_train_seed{seed}'
            return Lists(f'{file}.txt', f'{file}_labels.txt')
        return Lists(f'base_train_{shots}shot_seed{seed}.txt', 'base_labels.txt')
    if protocol == 'few_shot':
        labels = dataset if dataset in ('hmdb51', 'ucf101', 'ssv2') else None
        file = f'{name}_few_shot_{shots}' if published else f'train_{shots}shot_seed{seed}'
        return Lists(f'{file}.txt', labels)
    known = protocol == 'zero_shot' or dataset == 'kinetics400'
    return Lists('train.txt', 'kinetics400' if known else None)


def list_to_draw_from(dataset: str) -> Lists | None:
    """Return the list that shots are drawn from, of all classes; None where it is not known."""
    return {
        'shapes': Lists('target_train.txt', 'labels.txt'),
        'hmdb51': Lists('train1.txt', 'hmdb51'),
        'ucf101': Lists('train1.txt', 'ucf101'),
        'ssv2': Lists('train.txt', 'ssv2'),
        'kinetics400': Lists('train.txt', 'kinetics400'),
    }.get(dataset)
