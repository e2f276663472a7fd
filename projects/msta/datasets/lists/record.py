"""Lists and class lists on disk, and the record of how they were made: splits.json. No torch."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...files import write_text
from .annotations import AnnotationError, Video, write_annotations, write_lines
from .splits import class_counts

RECORD = 'splits.json'


def save(
    out: Path,
    lists: Mapping[str, Sequence[Video]],
    labels: Mapping[str, Sequence[str]],
    how: Mapping[str, object],
    sources: Iterable[str | Path] = (),
) -> list[str]:
    """Write lists and class lists by name, and how they came to be; return what to say of each.

    Raises:
        AnnotationError: A list without videos, or with a name that cannot stand in it.
    """
    record_path = out / RECORD
    record = json.loads(record_path.read_text(encoding='utf-8')) if record_path.is_file() else {}
    digests = {Path(path).name: _digest(Path(path)) for path in sources}
    empty = [name for name, videos in lists.items() if not videos]
    if empty:
        raise AnnotationError(
            f'{", ".join(empty)}: no videos in this list; do the sources belong together?'
        )
    said = []
    for name, names in labels.items():
        write_lines(out / f'{name}.txt', names)
        said.append(f'{out / name}.txt: {len(names)} class names')
    for name, videos in lists.items():
        path = out / f'{name}.txt'
        write_annotations(path, videos)
        classes = len(class_counts(videos))
        record[path.name] = {
            'videos': len(videos),
            'classes': classes,
            'sha256': _digest(path),
            'made_by': dict(how),
            'sources': digests,
        }
        said.append(f'{path}: {len(videos)} videos of {classes} classes')
    write_text(record_path, json.dumps(record, indent=1, sort_keys=True) + '\n')
    return said


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder in the order of their names."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
