"""Which images of a folder make up a video, in which order."""

from __future__ import annotations

import os
import re

IMAGE_SUFFIXES = frozenset(['.bmp', '.jpeg', '.jpg', '.png', '.webp'])


def images_in(folder: str) -> list[str]:
    """Names of the images in a folder; ``img_9.jpg`` comes before ``img_10.jpg``."""
    names = [
        name for name in os.listdir(folder) if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
    ]
    return sorted(names, key=_by_number)


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in re.split(r'(\d+)', name)]
