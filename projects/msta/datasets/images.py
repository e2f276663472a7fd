"""Which images of a folder make up a video, in which order."""

import re
from pathlib import Path

IMAGE_SUFFIXES = frozenset(['.bmp', '.jpeg', '.jpg', '.png', '.webp'])


def images_in(folder: str) -> list[str]:
    """Names of the images in a folder; ``img_9.jpg`` comes before ``img_10.jpg``."""
    entries = Path(folder).iterdir()
    names = [entry.name for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES]
    return sorted((name for name in names if name[0] != '.'), key=_by_number)


def _by_number(name: str) -> list[tuple[int, str]]:
    parts = re.split(r'(\d+)', name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]
