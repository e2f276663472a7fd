"""Lists of videos and their class indices: text, CSV, or a folder for each class. No torch."""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...files import write_text
from ...labels import read_labels
from ...spelling import few
from ..images import images_in

# fmt: off
VIDEO_SUFFIXES = frozenset([
    '.3gp', '.avi', '.flv', '.gif', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg',
    '.mts', '.ogv', '.ts', '.vob', '.webm', '.wmv',
])
# fmt: on

_INDEX = re.compile(r'-?\d{1,9}')
_ENDS = re.compile(r'\s-?\d{1,9}$')

_PATH_COLUMNS = ('path', 'video', 'video_path', 'filename', 'file')
_LABEL_COLUMNS = ('label', 'labels', 'class', 'label_id', 'class_id', 'category')

# Between the classes of a video in a CSV.
LABEL_SEPARATOR = '|'


def is_video(name: str) -> bool:
    """Whether a file's name is a video's. Hidden ones are not: macOS adds ``._a.mp4`` to a.mp4."""
    return not name.startswith('.') and Path(name).suffix.lower() in VIDEO_SUFFIXES


class AnnotationError(ValueError):
    """A list that cannot be read; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video file, relative to the folder of its data set, and its class (-1: not known).

    ``others``: the further classes of a video that shows several.
    """

    path: str
    label: int
    others: tuple[int, ...] = ()

    @property
    def labels(self) -> tuple[int, ...]:
        """All its classes."""
        return (self.label, *self.others)


def read_annotations(
    source: str | Path,
    labels: str | Path | Sequence[str] | None = None,
    delimiter: str | None = None,
    need_labels: bool = True,
    multi_class: bool = False,
) -> list[Video]:
    """Read a list of videos.

    Args:
        source: a text file with ``path label`` lines, split at the last space or tab, so that names
            may hold spaces (MMAction2's and ViFi-CLIP's form); a ``.csv`` file with two columns, by
            their header or in this order; or a folder that has a folder of videos for each class.
        labels: the class names, as ``read_labels`` takes them. Indices are checked against them, a
            CSV may give names in place of indices, and folders are matched to them by name.
        delimiter: what stands before the label in a text file, if not white space.
        need_labels: whether a text line without a label is an error; otherwise its class is -1.
        multi_class: whether a video may have several: ``path 1 3 7`` (every number at the end of a
            line is a class), or in a CSV ``path,1|3|7`` or names.

    Raises:
        AnnotationError: a missing or empty file, or a line that cannot be read.
    """
    source = Path(source)
    names = None if labels is None else read_labels(labels)
    if source.is_dir():
        return scan_folder(source, names)[0]
    if not source.is_file():
        raise AnnotationError(f'{source}: no such annotation file')
    text = _read_text(source)
    if source.suffix.lower() == '.csv':
        located = list(_csv_rows(text, source, names, multi_class))
    else:
        located = list(_text_rows(_lines(text), source, delimiter, need_labels, multi_class))
    if not located:
        raise AnnotationError(f'{source}: no videos in this file')
    _check_range(located, source, names, need_labels)
    return [video for _, video in located]


def write_annotations(path: str | Path, videos: Iterable[Video], multi_class: bool = False) -> None:
    """Write ``path label`` lines (with ``multi_class`` ``path 1 3 7``), whole or not at all.

    Raises:
        AnnotationError: A name that would not be read back, naming it.
    """
    videos = list(videos)
    bad = [f'{video.path!a} ({why})' for video in videos if (why := unlistable(video.path))]
    if multi_class:
        bad += [f'{v.path!a} (a number at its end)' for v in videos if _ENDS.search(v.path)]
    if bad:
        raise AnnotationError(
            f'{path}: {len(bad)} names cannot stand in a list: {few(bad)}. Rename the files or '
            'folders'
        )
    write_lines(path, (' '.join([video.path, *map(str, video.labels)]) for video in videos))


def unlistable(name: str) -> str:
    """Why a name cannot stand in a list, which has one line for each; '' if it can."""
    if '\n' in name or '\r' in name:
        return 'a line break in it'
    if name != name.strip():
        return 'white space at its beginning or end'
    return ''


def video_file(path: str | Path) -> Path:
    """The file of a listed video: as in MMAction2, a name without a suffix is one of ``.mp4``."""
    path = Path(path)
    return path if path.suffix or path.exists() else path.with_name(f'{path.name}.mp4')


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write a UTF-8 text file whole or not at all; its folder is made if need be."""
    write_text(path, ''.join(f'{line}\n' for line in lines))


def scan_folder(
    root: str | Path, labels: Sequence[str] | None = None
) -> tuple[list[Video], list[str]]:
    """Find the videos of a folder that has a folder for each class, sorted by class, then by path.

    Args:
        root: the folder.
        labels: class names in order; every folder must be one of them. By default, the folders'
            names, sorted.

    Returns:
        the videos, with paths relative to `root`, and the class names.
    """
    root = Path(root)
    if not root.is_dir():
        raise AnnotationError(f'{root}: no such folder')
    folders = sorted(x.name for x in root.iterdir() if x.is_dir() and not x.name.startswith('.'))
    names = folders if labels is None else list(labels)
    unknown = [folder for folder in folders if folder not in set(names)]
    if unknown:
        raise AnnotationError(
            f'{root}: {len(unknown)} folders are not in the list of {len(names)} classes: '
            f'{few(unknown)}. Rename them, or add them to the list.'
        )
    videos = []
    for label, name in enumerate(names):
        files = []
        for parent, _, found in os.walk(root / name, followlinks=True):
            videos_here = [Path(parent, file) for file in found if is_video(file)]
            files += videos_here
            if not videos_here and Path(parent) != root / name and images_in(parent):
                files.append(Path(parent))  # a video as a folder of images
        videos += [Video(f, label) for f in sorted(p.relative_to(root).as_posix() for p in files)]
    if not videos:
        raise AnnotationError(
            f'{root}: no videos in it. Put the videos of each class into a folder of its name: '
            f'{root}/juggling/001.mp4. Known file names end in {" ".join(sorted(VIDEO_SUFFIXES))}.'
        )
    return videos, names


def write_skip_list(path: str | Path, reasons: Mapping[str, str]) -> None:
    """Write a skip list: the path of a video and why, by a tab, in each line."""
    write_lines(path, (f'{name}\t{" ".join(why.split())}' for name, why in sorted(reasons.items())))


def read_skip_list(path: str | Path) -> dict[str, str]:
    """Read a skip list: one path per line as the data set's list has it, optionally a tab and why.

    Lines that begin with # and have no tab are comments.
    """
    path = Path(path)
    if not path.is_file():
        raise AnnotationError(f'{path}: no such skip list')
    skipped = {}
    for line in _lines(_read_text(path)):
        if line.strip() and ('\t' in line or not line.startswith('#')):
            name, _, reason = line.rpartition('\t') if '\t' in line else (line, '', '')
            skipped[name.strip()] = reason.strip()
    return skipped


def _lines(text: str) -> list[str]:
    # Not str.splitlines: it also breaks lines at characters that names may hold, as U+2028.
    return re.split(r'\r\n|\n|\r', text)


def _read_text(path: Path) -> str:
    data = path.read_bytes()
    if b'\x00' in data:
        raise AnnotationError(f'{path}: not UTF-8 text, it holds NUL bytes')
    # Names of files are bytes to the system: what is not UTF-8 stays as it is.
    return data.decode('utf-8-sig', 'surrogateescape')


def _text_rows(
    lines: Sequence[str], source: Path, delimiter: str | None, need_labels: bool, multi_class: bool
) -> Iterator[tuple[int, Video]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        path, found = line.strip(), list[int]()
        while multi_class or not found:
            parts = [part.strip() for part in path.rsplit(delimiter, 1)]
            if len(parts) != 2 or not _INDEX.fullmatch(parts[1]):
                break
            path, found = parts[0], [int(parts[1]), *found]
        if found:
            yield number, Video(path, found[0], tuple(found[1:]))
        elif need_labels:
            raise AnnotationError(
                f'{source}, line {number}: {line.strip()[:200]!r} does not end in a class index. A '
                "line is 'path/to/video.mp4 12'."
            )
        else:
            yield number, Video(line.strip(), -1)


def _csv_rows(
    text: str, source: Path, names: Sequence[str] | None, multi_class: bool
) -> Iterator[tuple[int, Video]]:
    reader = csv.reader(io.StringIO(text, newline=''))
    index = None if names is None else {name: position for position, name in enumerate(names)}
    columns, most = (0, 1), None
    for row in reader:
        number = reader.line_num
        if number == 1:
            header = [cell.strip().lower() for cell in row]
            paths = [header.index(name) for name in _PATH_COLUMNS if name in header]
            classes = [header.index(name) for name in _LABEL_COLUMNS if name in header]
            if paths and classes:
                columns, most = (paths[0], classes[0]), len(header)
                continue
        if not row:
            continue
        if len(row) <= max(columns) or any(row[most:] if most else ()):
            raise AnnotationError(
                f'{source}, line {number}: {len(row)} columns. Give the path and the class '
                f'(header: one of {", ".join(_PATH_COLUMNS)}; one of {", ".join(_LABEL_COLUMNS)}).'
            )
        path, cell = row[columns[0]].strip(), row[columns[1]].strip()
        several = [part.strip() for part in cell.split(LABEL_SEPARATOR)] if multi_class else [cell]
        where = f'{source}, line {number}'
        first, *others = (_class_index(label, index, where) for label in several)
        yield number, Video(path, first, tuple(others))


def _class_index(label: str, index: Mapping[str, int] | None, where: str) -> int:
    # A class may have a number as its name; names win where they are known.
    if index is not None and label in index:
        return index[label]
    if _INDEX.fullmatch(label):
        return int(label)
    if not label:
        raise AnnotationError(f'{where}: a label is empty.')
    if index is None:
        raise AnnotationError(f'{where}: class {label!r} is a name: give the list of classes too.')
    raise AnnotationError(f'{where}: class {label!r} is not among the {len(index)} classes.')


def _check_range(
    located: Sequence[tuple[int, Video]],
    source: Path,
    names: Sequence[str] | None,
    need_labels: bool,
) -> None:
    wrong = [
        f'line {number}: {" ".join(map(str, video.labels))} ({video.path})'
        for number, video in located
        if (min(video.labels) < 0 and need_labels)
        or (names is not None and max(video.labels) >= len(names))
    ]
    if wrong:
        allowed = '0 or more' if names is None else f'0..{len(names) - 1} ({len(names)} classes)'
        raise AnnotationError(
            f'{source}: {len(wrong)} class indices are not {allowed}: {few(wrong)}. Indices start '
            'at 0; check that the list belongs to these classes.'
        )
