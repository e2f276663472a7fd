"""ViFi-CLIP's published lists, read where their user has them. No torch.

They come with the ViFi-CLIP code (``datasets_splits/`` and ``labels/``), and are what the published
numbers were measured on. ``PUBLISHED`` says what each list is, and a list that is read is checked
against it: number of classes, class names, videos per class.
"""

from dataclasses import dataclass
from pathlib import Path

from ...labels import read_labels
from .annotations import AnnotationError, Video, read_annotations
from .sources import normalise
from .splits import class_counts


@dataclass(frozen=True, slots=True)
class PublishedList:
    """One list: its file, the classes it has, and the class list of this project it goes with."""

    path: str  # below datasets_splits/
    labels_file: str  # below labels/
    labels: str  # shipped class list with the same names in the same order
    num_classes: int
    shots: int | None = None  # videos of every class; None: a test list or a whole training list


def _dataset(
    name: str, labels: str, shipped: str, num_classes: int, tests: tuple[str, ...], few: bool = True
) -> dict[str, PublishedList]:
    def entry(file: str, shots: int | None = None) -> PublishedList:
        return PublishedList(f'{name}_splits/{file}.txt', labels, shipped, num_classes, shots)

    lists = {f'{name}/{test}': entry(test) for test in tests}
    for shots in (2, 4, 8, 16) if few else ():
        lists[f'{name}/few_shot_{shots}'] = entry(f'train1_few_shot_{shots}', shots)
    return lists


def _base_to_novel(
    name: str, labels: str, shipped: str, base: int, novel: int, whole: bool = False
) -> dict[str, PublishedList]:
    def entry(half: str, file: str, shots: int | None = None) -> PublishedList:
        path = f'base2novel_splits/{name}_splits/{file}.txt'
        count = base if half == 'base' else novel
        return PublishedList(path, f'{labels}_{half}_labels.csv', f'{shipped}_{half}', count, shots)

    lists = {'base_val': entry('base', 'base_val')}
    for seed in (1, 2, 3):
        lists[f'base_train_seed{seed}'] = entry('base', f'fs_base_s{seed}_train', 16)
    if whole:
        lists['base_train_all'] = entry('base', 'base_train')
    lists['novel_val'] = entry('novel', 'novel_val')
    return {f'base2novel/{name}/{key}': value for key, value in lists.items()}


PUBLISHED: dict[str, PublishedList] = {
    **_dataset('hmdb', 'hmdb_51_labels.csv', 'hmdb51', 51, ('val1', 'val2', 'val3')),
    **_dataset('ucf', 'ucf_101_labels.csv', 'ucf101', 101, ('val1', 'val2', 'val3')),
    **_dataset('ssv2', 'ssv2_labels.csv', 'ssv2', 174, ('validation',)),
    **_dataset('k400', 'kinetics_400_labels.csv', 'kinetics400', 400, ('val',), few=False),
    **{
        f'k600/zero_shot_{split}': PublishedList(
            f'k600_splits/ZS_split{split}_K600_eval.txt',
            f'ZS_split{split}_K600.csv',
            f'kinetics600_zs{split}',
            160,
        )
        for split in (1, 2, 3)
    },
    **_base_to_novel('hmdb', 'hmdb_51', 'hmdb51', 26, 25, whole=True),
    **_base_to_novel('ucf', 'ucf_101', 'ucf101', 51, 50, whole=True),
    **_base_to_novel('ssv2', 'ssv2_174', 'ssv2', 87, 87),
    **_base_to_novel('k400', 'kinetics_400', 'kinetics400', 200, 200),
}


def read_published(root: str | Path, name: str) -> tuple[list[Video], list[str]]:
    """Read one published list and check it.

    Args:
        root: the folder with ``datasets_splits/`` and ``labels/``.
        name: a key of ``PUBLISHED``, e.g. 'base2novel/hmdb/base_train_seed1'.

    Returns:
        the videos and the class names.

    Raises:
        AnnotationError: the list is not there, or not what it should be.
    """
    if name not in PUBLISHED:
        raise AnnotationError(
            f'{name!r} is not a published list: choose one of {", ".join(PUBLISHED)}'
        )
    entry = PUBLISHED[name]
    names = read_labels(Path(root, 'labels', entry.labels_file))
    path = Path(root, 'datasets_splits', entry.path)
    videos = read_annotations(path, names)
    problems = []
    if len(names) != entry.num_classes:
        problems.append(f'{len(names)} class names, expected {entry.num_classes}')
    if [normalise(n) for n in names] != [normalise(n) for n in read_labels(entry.labels)]:
        problems.append(f'class names differ from the list {entry.labels!r}')
    counts = class_counts(videos)
    if len(counts) != entry.num_classes:
        problems.append(f'videos of {len(counts)} classes, expected {entry.num_classes}')
    if entry.shots is not None and set(counts.values()) != {entry.shots}:
        lowest, highest = min(counts.values()), max(counts.values())
        problems.append(f'{lowest} to {highest} videos per class, expected {entry.shots}')
    repeated = len(videos) - len({video.path for video in videos})
    if repeated:
        problems.append(f'{repeated} videos are listed twice')
    if problems:
        raise AnnotationError(f'{path}: {"; ".join(problems)}')
    return videos, names
