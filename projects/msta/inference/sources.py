"""Whatever a user may call videos -> one source a video. No torch."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.images import images_in
from ..datasets.lists.annotations import VIDEO_SUFFIXES, is_video

ARRAY_FPS = 25.0


@dataclass(frozen=True)
class Source:
    """One video: a file, or frames ``(T, H, W, 3)``, uint8 RGB. ``error`` is set where neither."""

    name: str
    frames: np.ndarray | None = None
    error: str | None = None


class ArrayReader:
    """Frames in memory with the part of ``decord.VideoReader`` that DecordDecode calls."""

    def __init__(self, frames: np.ndarray, fps: float = ARRAY_FPS) -> None:
        self._frames, self._fps = frames, fps

    def __len__(self) -> int:
        return len(self._frames)

    def get_avg_fps(self) -> float:
        return self._fps

    def get_batch(self, indices: Iterable[int]) -> ArrayReader:
        return ArrayReader(self._frames[np.asarray(indices)])

    def asnumpy(self) -> np.ndarray:
        return self._frames


def iter_sources(videos: Any) -> Iterator[Source]:
    """Paths, folders, globs, arrays, and lists or iterators of them -> sources, lazily.

    Folders are searched to any depth, in sorted order, for files with a video's suffix. A path that
    leads nowhere, or an array that is not a video, becomes a source with an error: it takes its
    place in the results and stops nothing.
    """
    yield from _iter(videos, itertools.count())


def _iter(videos: Any, numbers: Iterator[int]) -> Iterator[Source]:
    is_file = hasattr(videos, 'read')
    if is_file and isinstance(getattr(videos, 'name', None), str):
        videos = videos.name
    if isinstance(videos, (str, Path)):
        yield from _from_path(str(videos))
    elif not is_file and (hasattr(videos, '__array__') or hasattr(videos, 'detach')):
        yield _from_array(videos, f'array {next(numbers)}')
    elif isinstance(videos, Iterable) and not is_file and not isinstance(videos, (bytes, dict)):
        for video in videos:
            yield from _iter(video, numbers)
    else:
        name = f'{type(videos).__name__} {next(numbers)}'
        what = 'neither a path nor an array of frames'
        if is_file:
            what = 'a file without a name; write it to disk, or give frames'
        yield Source(name, error=f'{name}: {what}')


def _from_path(text: str) -> Iterator[Source]:
    path = Path(text).expanduser()
    if path.is_dir():
        found = [p for p in path.rglob('*') if is_video(p.name) and p.is_file()]
        if not found and images_in(str(path)):  # a video as a folder of images
            found = [path]
        if not found:
            suffixes = ', '.join(sorted(VIDEO_SUFFIXES))
            yield Source(text, error=f'{text}: a folder without videos ({suffixes})')
        for file in sorted(found):
            yield Source(str(file))
    elif not path.exists() and glob.has_magic(text):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - absolute patterns too
        if not matches:
            yield Source(text, error=f'{text}: no file matches')
        for match in matches:
            yield from [Source(match)] if Path(match).is_file() else _from_path(match)
    else:
        yield Source(str(path))


def _from_array(array: Any, name: str) -> Source:
    frames = np.asarray(array.detach().cpu() if hasattr(array, 'detach') else array)
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        return Source(
            name,
            error=f'{name}: frames are (T, H, W, 3), uint8, RGB, at least one; got '
            f'{frames.shape}, {frames.dtype}',
        )
    return Source(name, frames)
