"""A user's videos -> clips with class names and groups. No torch."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets.lists.annotations import (
    LABEL_SEPARATOR,
    AnnotationError,
    Video,
    read_annotations,
    scan_folder,
)
from ..datasets.lists.check import recording
from ..labels import humanize_label, read_labels
from .state import listed

NAMES_FILE = 'names.csv'
_PATHS = ('path', 'video', 'video_path', 'filename', 'file')
_LABELS = ('label', 'class', 'category')
SEVERAL = 'labels'  # the column of videos that may have several
# 'id_42', 'class3', '007', 'A1': nothing that a text tower has read about.
_NO_WORD = re.compile(r'(id|class|label|cat|category|action|type|c)?[\s_-]*[a-z]?\d+', re.I)


@dataclass(frozen=True, slots=True)
class Clip:
    """A video, relative to the collection's folder; its classes; and what it was cut from.

    Clips of one ``group`` never stand on both sides of a split. ``split`` is the side that the
    user chose (``'train'`` or ``'test'``), '' where the split is drawn.
    """

    path: str
    labels: tuple[int, ...]
    group: str
    split: str = ''

    @property
    def label(self) -> int:
        """The first class; the only one, where videos have one class each."""
        return self.labels[0]


@dataclass(slots=True)
class Collection:
    """The clips below ``root``, the class names, and what is worth saying about them.

    ``multi_label``: whether a video may show several classes.
    """

    root: Path
    names: list[str]
    clips: list[Clip]
    remarks: list[str] = field(default_factory=list)
    multi_label: bool = False

    def counts(self, clips: Sequence[Clip] | None = None) -> list[int]:
        """Clips of each class."""
        found = Counter(k for clip in (self.clips if clips is None else clips) for k in clip.labels)
        return [found[label] for label in range(len(self.names))]


def collect(
    source: str | Path,
    videos: str | Path | None = None,
    labels: str | Path | Sequence[str] | None = None,
    group: str | None = None,
    least: int = 2,
) -> Collection:
    """Read what a user has.

    Args:
        source: a folder with one folder per class (beside them, ``names.csv`` may give better
            names: ``folder,name``); a CSV with the columns ``path`` and ``label`` (or
            ``labels``, where a video may have several: ``run|jump``) and, if wanted, ``group`` and
            ``split``; or a list of ``path index`` lines.
        videos: the folder that paths in a list are relative to; that of the list by default.
        labels: class names in order; needed for a list of ``path index`` lines.
        group: the CSV's column of groups, or a regular expression whose first group (or whole
            match) in a path names what a clip was cut from. By default the forms of UCF-101
            (``_g07_``) and Kinetics (``ID_000010_000020``) are known.
        least: fewest classes with videos; 1 where others are known from before.

    Raises:
        AnnotationError: nothing that can be trained on, with what is missing.
    """
    source = Path(source).expanduser()
    several, folders = False, None
    if source.is_dir():
        found, folders = scan_folder(source, None if labels is None else read_labels(labels))
        names = _names_of_folders(source, folders)
        clips = [Clip(video.path, (video.label,), '') for video in found]
        root, column = source, None
    elif source.suffix.lower() == '.csv':
        root = Path(videos or source.parent)
        clips, names, column, several = _read_csv(source, labels, group)
    elif source.is_file():
        if labels is None:
            raise AnnotationError(
                f'{source}: a list of indices needs the names of the classes: --labels FILE'
            )
        names = read_labels(labels)
        root, column = Path(videos or source.parent), None
        clips = [Clip(video.path, (video.label,), '') for video in read_annotations(source, names)]
    else:
        raise AnnotationError(
            f'{source}: no such folder or list. Give a folder with one folder per class '
            '(my_videos/juggling/1.mp4), or a CSV with the columns path and label'
        )
    if not root.is_dir():
        raise AnnotationError(f'{root}: no such folder of videos')
    collection = Collection(root.resolve(), names, clips, multi_label=several)
    _check(collection, source, least, folders)
    collection.clips = _with_groups(clips, group if column is None else None)
    return collection


def _check(collection: Collection, source: Path, least: int, folders: Sequence[str] | None) -> None:
    counts = collection.counts()
    present = [name for name, count in zip(collection.names, counts, strict=True) if count]
    if len(present) < least:
        raise AnnotationError(
            f'{source}: videos of {len(present)} class ({", ".join(present)}): a recogniser tells '
            'at least two classes apart. Add a folder of what it must not be taken for'
        )
    empty = [name for name, count in zip(collection.names, counts, strict=True) if not count]
    remarks = listed('recognised by their names alone, without a video', empty, len(counts))
    if collection.multi_label:
        remarks.append(_told(collection.clips))
    foreign = [n for n in collection.names if any(c.isalpha() and not c.isascii() for c in n)]
    what = 'names not in English, of which text towers of English captions know little'
    remarks += listed(what, foreign, len(counts))
    wordless = [name for name in collection.names if _NO_WORD.fullmatch(name.strip())]
    if wordless:
        first = wordless[0] if folders is None else folders[collection.names.index(wordless[0])]
        what = (
            f'names that say nothing to the text tower; with a folder per class, {NAMES_FILE} in '
            f'it may give better ones, below a line folder,name: {first},a person opening a door'
        )
        remarks += listed(what, wordless, len(counts))
    collection.remarks += remarks


def _told(clips: Sequence[Clip]) -> str:
    mean = sum(len(clip.labels) for clip in clips) / len(clips)
    if mean == 1:
        return (
            f'the column {SEVERAL} has one class for every video, and each class is still judged '
            'for itself: call the column label to have the classes told from each other'
        )
    several = f'column {SEVERAL}; {mean:.1f} on average'
    return f'a video may have several classes ({several}): each class is judged for itself'


def _names_of_folders(source: Path, folders: Sequence[str]) -> list[str]:
    """The class names: those of ``names.csv``, else the folders' names as words."""
    given = read_names(source / NAMES_FILE)
    unknown = sorted(set(given) - set(folders))
    if unknown:
        raise AnnotationError(
            f'{source / NAMES_FILE}: there is no folder {unknown[0]!r}; the folders are '
            f'{", ".join(folders[:8])}'
        )
    return read_labels([given.get(folder) or humanize_label(folder) for folder in folders])


def read_names(path: Path) -> dict[str, str]:
    """Folder -> class name, of a ``names.csv``; nothing where there is no such file."""
    if not path.is_file():
        return {}
    rows = _rows(path)
    names = {}
    for number, row in rows:
        if number == 1 and [cell.strip().lower() for cell in row[:2]] == ['folder', 'name']:
            continue
        if len(row) != 2 or not row[1].strip():
            raise AnnotationError(f'{path}, line {number}: {row} is not folder,name')
        names[row[0].strip()] = row[1].strip()
    return names


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f'{path}: not UTF-8 text ({error.reason}); save it as UTF-8'
        ) from error
    reader = csv.reader(io.StringIO(text, newline=''))
    return [(reader.line_num, row) for row in reader if row]


def _read_csv(
    source: Path, labels: str | Path | Sequence[str] | None, group: str | None
) -> tuple[list[Clip], list[str], str | None, bool]:
    rows = _rows(source)
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    path_column = next((header.index(name) for name in _PATHS if name in header), None)
    found = [header.index(name) for name in (SEVERAL, *_LABELS) if name in header]
    label_column, several = found[0] if found else None, SEVERAL in header
    if several and len(found) > 1:
        raise AnnotationError(
            f'{source}: its first line names both {SEVERAL} (several classes per video) and '
            f'{header[found[1]]} (one): leave one of them out'
        )
    if path_column is None or label_column is None:
        raise AnnotationError(
            f'{source}: its first line is {header}; it must name the columns: path,label '
            f'(or path,{SEVERAL} for several per video; and group, split, if you have them)'
        )
    column = group.lower() if group and group.lower() in header else None
    if column is None and 'group' in header and group is None:
        column = 'group'
    split_column = header.index('split') if 'split' in header else None
    located = []
    line_of: dict[str, int] = {}
    for number, row in rows[1:]:
        if len(row) < len(header) or any(row[len(header) :]):
            raise AnnotationError(
                f'{source}, line {number}: {len(row)} cells for {len(header)} columns; a name with '
                f'a comma needs quotes, and {LABEL_SEPARATOR} is between several {SEVERAL}'
            )
        said = [part.strip() for part in row[label_column].split(LABEL_SEPARATOR)]
        if not all(said):
            raise AnnotationError(f'{source}, line {number}: {row[path_column]} has no label')
        if len(said) > 1 and not several:
            raise AnnotationError(
                f'{source}, line {number}: {row[label_column]!r} in the column '
                f'{header[label_column]}, which has one class: call the column {SEVERAL} if a '
                f'video may have several, or write the class without {LABEL_SEPARATOR}'
            )
        of = row[header.index(column)].strip() if column else ''
        side = row[split_column].strip().lower() if split_column is not None else ''
        side = 'test' if side in ('val', 'valid', 'validation') else side
        if side not in ('', 'train', 'test'):
            raise AnnotationError(f'{source}, line {number}: split {side!r} is not train or test')
        path = row[path_column].strip()
        if path in line_of:
            raise AnnotationError(
                f'{source}, line {number}: {path} is in line {line_of[path]} already; a video has '
                f'one line, with all its {SEVERAL}'
            )
        line_of[path] = number
        located.append((number, path, said, of, side))
    if not located:
        raise AnnotationError(f'{source}: no videos in this file')
    used = sorted({name for _, _, said, _, _ in located for name in said})
    names = used if labels is None else read_labels(labels)
    index = {name: position for position, name in enumerate(names)}
    clips = []
    for number, path, said, of, side in located:
        unknown = [name for name in said if name not in index]
        if unknown:
            raise AnnotationError(
                f'{source}, line {number}: class {unknown[0]!r} is not among the {len(names)} of '
                '--labels'
            )
        clips.append(Clip(path, tuple(sorted({index[name] for name in said})), of, side))
    return clips, read_labels(names), column, several


def _with_groups(clips: Sequence[Clip], pattern: str | None) -> list[Clip]:
    """Clips with their groups: given, by the pattern, by a known form of name, or each its own."""
    try:
        compiled = re.compile(pattern) if pattern else None
    except re.error as error:
        raise AnnotationError(
            f'--group {pattern!r} is neither a column of the CSV nor a regular expression ({error})'
        ) from error
    grouped = []
    for clip in clips:
        group = clip.group
        if compiled is not None:
            match = compiled.search(clip.path)
            group = (match.group(1) if compiled.groups else match.group()) if match else ''
        elif not group:
            group = recording(Video(clip.path, clip.label)) or ''
        # A clip without a group is a group of its own.
        grouped.append(Clip(clip.path, clip.labels, group or f'file:{clip.path}', clip.split))
    if compiled is not None and all(clip.group.startswith('file:') for clip in grouped):
        raise AnnotationError(
            f'--group {pattern!r} matches none of {len(clips)} paths, such as {clips[0].path!r}'
        )
    return grouped


def groups_of(clips: Sequence[Clip]) -> Mapping[str, list[Clip]]:
    """Group -> its clips, in the order of the list."""
    found: dict[str, list[Clip]] = {}
    for clip in clips:
        found.setdefault(clip.group, []).append(clip)
    return found
