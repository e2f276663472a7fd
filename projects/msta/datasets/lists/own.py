"""Lists of a user's own folder: a folder for each class, drawn or already split. No torch."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...labels import humanize_label, read_labels
from ...spelling import few
from .annotations import VIDEO_SUFFIXES, AnnotationError, Video, is_video, scan_folder, unlistable
from .splits import class_counts, train_val

# Names that folders of whole splits go by, and the list that each becomes.
SPLITS = {
    'train': 'train',
    'training': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
    'testing': 'test',
}


@dataclass(slots=True)
class OwnLists:
    """Lists of videos by name, the class names, and what was left out."""

    lists: dict[str, list[Video]]
    names: list[str]
    remarks: list[str]


def lists_of_folder(
    root: str | Path,
    labels: Sequence[str] | None = None,
    val: float = 0.2,
    seed: int = 0,
    split: bool = True,
) -> OwnLists:
    """Make lists of the videos in a folder; their paths are relative to it.

    Folders ``train/CLASS`` and ``val/CLASS`` (or ``test/CLASS``) are lists as they are. Otherwise
    ``root`` has a folder for each class, and a share of each class is held out.

    Args:
        root: The folder.
        labels: Class names in order, by the folders' names; by default, these, sorted.
        val: Share of each class to hold out.
        seed: Of that draw.
        split: Whether to hold out anything; else there is one list, ``all``.

    Raises:
        AnnotationError: No videos, a folder that is not among ``labels``, or a class with a single
            video where one is held out.
        LabelError: A folder's name that cannot be a class name.
    """
    root = Path(root)
    folders_of = _parts(root) or {'all': root}
    remarks = []
    if len(folders_of) > 1:
        remarks.append(f'{root}: its folders {" and ".join(folders_of)} are taken as the splits')
    # List -> (path relative to root, name of the class's folder).
    found: dict[str, list[tuple[str, str]]] = {}
    classes: set[str] = set()
    for name, folder in folders_of.items():
        videos, folders = scan_folder(folder, labels)
        classes |= set(folders)
        found[name] = []
        for video in videos:
            path = (folder / video.path).relative_to(root).as_posix()
            if why := unlistable(path):
                remarks.append(f'left out: {path!a}: {why}; rename it')
            else:
                found[name].append((path, folders[video.label]))
    names = labels or sorted({folder for pairs in found.values() for _, folder in pairs})
    if labels is None:
        remarks += [_left_out(name, folders_of.values()) for name in sorted(classes - set(names))]
    place = {name: label for label, name in enumerate(names)}
    lists = {n: [Video(path, place[f]) for path, f in pairs] for n, pairs in found.items()}
    own = OwnLists(lists, read_labels([humanize_label(name) for name in names]), remarks)
    if labels is not None or len(own.lists) > 1:
        _say_absent(own)
    if 'all' in lists and split:
        train, held_out = train_val(lists['all'], val, seed, own.names)
        own.lists = {'train': train, 'val': held_out}
    return own


def _parts(root: Path) -> dict[str, Path]:
    """List -> folder, where every folder of ``root`` is a split and has folders of its own."""
    if not root.is_dir():
        raise AnnotationError(f'{root}: no such folder')
    folders = [e for e in sorted(root.iterdir()) if e.is_dir() and not e.name.startswith('.')]
    named = {SPLITS.get(folder.name.lower()): folder for folder in folders}
    split = None not in named and len(named) == len(folders) > 0 and 'train' in named
    if split and all(any(e.is_dir() for e in folder.iterdir()) for folder in folders):
        return {str(name): named[name] for name in ('train', 'val', 'test') if name in named}
    return {}


def _left_out(name: str, folders: Iterable[Path]) -> str:
    """Why a class has no videos."""
    files = sorted(
        file for folder in folders for _, _, found in os.walk(folder / name) for file in found
    )
    others = [file for file in files if not is_video(file)]
    why = 'its folder is empty'
    if others:
        endings = ' '.join(sorted(VIDEO_SUFFIXES))
        why = f'its {len(others)} files ({few(others, 3)}) are not videos, which end in {endings}'
    elif files:
        why = 'none of its videos can stand in a list'
    return f'left out: class {name!a}: {why}'


def _say_absent(own: OwnLists) -> None:
    for name, videos in own.lists.items():
        counts = class_counts(videos)
        absent = [label for index, label in enumerate(own.names) if index not in counts]
        if absent:
            own.remarks.append(f'{name}: {len(absent)} classes have no video in it: {few(absent)}')
