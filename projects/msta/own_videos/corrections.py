"""Clips that were recognised wrongly, kept with their right names to adapt to. No torch."""

from __future__ import annotations

import csv
import filecmp
import hashlib
import io
import re
import shutil
from pathlib import Path

from ..datasets.lists.annotations import VIDEO_SUFFIXES
from ..files import replacing, write_text
from ..labels import humanize_label, read_labels
from .collect import NAMES_FILE, read_names

_MOST_LETTERS = 60  # of a file's or folder's name, which may have 255 bytes


def store_correction(folder: str | Path, video: str | Path, label: str) -> Path:
    """Copy a clip into the folder of its class and return where it is.

    ``folder`` is as :func:`.collect.collect` takes it: a folder per class, and ``names.csv`` where
    a class's name cannot be that of its folder. A clip that is there under another class is moved.

    Raises:
        LabelError: no plain text for a name.
    """
    folder, video = Path(folder), Path(video)
    (label,) = read_labels([label])
    names = read_names(folder / NAMES_FILE)
    place = folder / _folder_name(label)
    suffix = video.suffix.lower() if video.suffix.lower() in VIDEO_SUFFIXES else '.mp4'
    target = place / f'{_plain(video.stem) or "clip"}{suffix}'
    if target.exists() and not filecmp.cmp(video, target, shallow=False):
        target = target.with_stem(f'{target.stem}_{_digest(video.read_bytes())}')
    with replacing(target) as temporary:
        shutil.copyfile(video, temporary)
    for other in folder.glob(f'*/{_plain(video.stem) or "clip"}*{suffix}'):
        if other.parent != place and filecmp.cmp(video, other, shallow=False):
            other.unlink()
            if not any(other.parent.iterdir()):
                other.parent.rmdir()
    if humanize_label(place.name) != label:
        names[place.name] = label
    rows = [(key, name) for key, name in names.items() if (folder / key).is_dir()]
    if rows or (folder / NAMES_FILE).exists():
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerows([('folder', 'name'), *rows])
        write_text(folder / NAMES_FILE, text.getvalue())
    return target


def _folder_name(label: str) -> str:
    plain = _plain(label)
    return plain if humanize_label(plain) == label else f'{plain or "class"}_{_digest(label)}'


def _plain(name: str) -> str:
    return re.sub(r'[^\w ,()&+-]+', '_', name)[:_MOST_LETTERS].strip(' _')


def _digest(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:8]
