"""Frames one after another, from a file, a camera, a network stream or an iterator. No torch."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..datasets.decoding import DecodeProcess
from ..datasets.readers import IsolatedReader
from .sources import ARRAY_FPS

_LIMIT_MSEC = 30_000


class StreamError(RuntimeError):
    """A video or stream that cannot be read frame by frame."""


class FrameStream:
    """Frames in order, converted only where they are asked for.

    ``fps`` is frames per second, ``total`` the number of frames (0: there is no end to wait for).
    ``times`` are when frames are shown, in seconds since the first, where each has a time stamp;
    otherwise they follow each other at ``fps``.
    """

    times: np.ndarray | None = None

    def __init__(self, name: str, fps: float, total: int) -> None:
        self.name, self.fps, self.total = name, fps, total

    def read_ahead(self, count: int) -> None:
        """Learn ``total`` from up to ``count`` frames, where a stream without one may be short."""

    def grab(self) -> bool:
        """Step to the next frame; False at the end."""
        raise NotImplementedError

    def frame(self) -> np.ndarray:
        """Return the current frame ``(H, W, 3)``, uint8 RGB."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the source."""


class FileStream(FrameStream):
    """A video file or a folder of images, by the one reader, in a decoding process of its own.

    Only frames that are asked for leave that process. ``kind``: container, codec and pixel format,
    where they are known. ``limit_sec`` is how long it may take without getting on.
    """

    def __init__(self, path: str | Path, limit_sec: float = 60.0) -> None:
        text = str(path)
        self._process = DecodeProcess()
        try:
            self._reader = IsolatedReader(
                text, limit_sec, threads=0, patient=True, process=self._process
            )
            self.times, self.kind = self._reader.times, self._reader.kind
        except BaseException:
            self._process.close()
            raise
        super().__init__(text, self._reader.get_avg_fps(), len(self._reader))
        self._index = -1

    def grab(self) -> bool:
        self._index += 1
        return self._index < self.total

    def frame(self) -> np.ndarray:
        return self._reader.get_batch([self._index]).asnumpy()[0]

    def close(self) -> None:
        self._process.close()


class CaptureStream(FrameStream):
    """``rtsp://`` or another address, or a camera's number, through OpenCV."""

    def __init__(self, source: str | int) -> None:
        if isinstance(source, int):
            self._capture = cv2.VideoCapture(source)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _LIMIT_MSEC]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, _LIMIT_MSEC]
            self._capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            what = f'camera {source}' if isinstance(source, int) else source
            raise StreamError(f'{what}: cannot be opened as a video stream')
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(str(source), fps if 0 < fps < 1000 else ARRAY_FPS, 0)

    def grab(self) -> bool:
        return self._capture.grab()

    def frame(self) -> np.ndarray:
        ok, image = self._capture.retrieve()
        if not ok:
            raise StreamError(f'{self.name}: a frame cannot be decoded')
        return np.ascontiguousarray(image[..., ::-1])

    def close(self) -> None:
        self._capture.release()


class IteratorStream(FrameStream):
    """Frames ``(H, W, 3)``, uint8 RGB, from an array or any iterator."""

    def __init__(self, frames: Iterable[Any], fps: float = ARRAY_FPS) -> None:
        if fps <= 0:
            raise ValueError(f'fps={fps} must be a positive number of frames per second')
        super().__init__('frames', fps, len(frames) if isinstance(frames, Sized) else 0)
        self._frames: Iterator[Any] = iter(frames)

    def read_ahead(self, count: int) -> None:
        ahead = deque(itertools.islice(self._frames, count + 1))
        if len(ahead) <= count:
            self.total = len(ahead)
        # Frames that were given must not be kept.
        given = (ahead.popleft() for _ in range(len(ahead)))
        self._frames = itertools.chain(given, self._frames)

    def grab(self) -> bool:
        item = next(self._frames, None)
        if item is None:
            return False
        image = np.asarray(item.detach().cpu() if hasattr(item, 'detach') else item)
        if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
            raise StreamError(f'a frame is (H, W, 3), uint8, RGB; got {image.shape}, {image.dtype}')
        self._current = image
        return True

    def frame(self) -> np.ndarray:
        return self._current


def at_constant_rate(stream: FrameStream) -> Iterator[tuple[float, np.ndarray]]:
    """Seconds and frames at a stream's mean rate: each the one shown at the middle of its time."""
    number, fps, times = 0, stream.fps, stream.times
    for index in itertools.count():
        if not stream.grab():
            return
        if times is None or index + 1 == len(times):
            end_sec = (max(number, index) + 1) / fps
        else:
            end_sec = float(times[index + 1])
        shown = None
        while (number + 0.5) / fps < end_sec:
            shown = stream.frame() if shown is None else shown
            yield number / fps, shown
            number += 1


def open_stream(source: Any, fps: float | None = None) -> FrameStream:
    """A path or address, a camera's number, an array, or an iterator of frames -> its stream.

    ``fps`` is that of frames in memory.
    """
    if isinstance(source, FrameStream):
        return source
    if isinstance(source, int) or (isinstance(source, str) and '://' in source):
        return CaptureStream(source)
    if isinstance(source, (str, Path)):
        return FileStream(source)
    return IteratorStream(source, fps or ARRAY_FPS)


def is_live(text: str) -> bool:
    """Return whether a word of a command line means a camera (``0``) or an address, not a file."""
    return '://' in text or (text.isdigit() and not Path(text).exists())
