"""Sliding windows over videos of any length, in memory that does not grow with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from .loading import VideoLoader
from .streams import FrameStream, StreamError


@dataclass
class WindowInputs:
    """A window as the model takes it: ``(V, C, T, H, W)``, uint8."""

    start_sec: float
    end_sec: float
    inputs: Tensor


@dataclass
class WindowScores:
    """A window's cosines and scores, each ``(K,)``, and whether none of the labels fits it."""

    start_sec: float
    end_sec: float
    cosines: np.ndarray
    scores: np.ndarray
    rejected: bool = False

    @property
    def centre_sec(self) -> float:
        return (self.start_sec + self.end_sec) / 2


@dataclass
class _Pending:
    start: int
    frames: dict[int, np.ndarray] = field(default_factory=dict)


def window_starts(total: int, length: int, stride: int) -> Iterator[int]:
    """First frames of the windows; the last one ends with the video, if ``total`` is not 0."""
    start = 0
    while not total or start + length <= total:
        yield start
        start += stride
    if start - stride + length < total:
        yield total - length


def iter_windows(
    stream: FrameStream, loader: VideoLoader, window_sec: float, stride_sec: float
) -> Iterator[WindowInputs]:
    """Windows of ``window_sec`` seconds, ``stride_sec`` apart, each through the test pipeline.

    Only frames that the pipeline samples are kept, and only while a window still waits for one. A
    video shorter than a window is one window. Where a file ends before its container says, a
    window that has half its frames or more is completed with the last one.
    """
    if window_sec <= 0 or stride_sec <= 0:
        raise ValueError(f'window {window_sec} s and stride {stride_sec} s must be positive')
    length = max(1, round(window_sec * stream.fps))
    length = min(length, stream.total) if stream.total else length
    stride = max(1, round(stride_sec * stream.fps))
    offsets = loader.sample(length, stream.fps)
    wanted = frozenset(int(offset) for offset in offsets)
    starts = window_starts(stream.total, length, stride)
    upcoming = next(starts, None)
    pending: deque[_Pending] = deque()

    def finish(window: _Pending, end: int) -> WindowInputs:
        last = window.frames[max(window.frames)]
        frames = np.stack([window.frames.get(int(offset), last) for offset in offsets])
        inputs = loader.finish(frames, length, stream.fps)
        return WindowInputs(window.start / stream.fps, end / stream.fps, inputs)

    index, emitted = 0, 0
    while stream.grab():
        if index == upcoming:
            pending.append(_Pending(index))
            upcoming = next(starts, None)
        takers = [window for window in pending if index - window.start in wanted]
        if takers:
            frame = stream.frame()
            for window in takers:
                window.frames[index - window.start] = frame
        index += 1
        if pending and index == pending[0].start + length:
            yield finish(pending.popleft(), index)
            emitted += 1
        if upcoming is None and not pending:
            return
    for window in pending:
        have = index - window.start
        if window.frames and (have >= length / 2 or not emitted):
            yield finish(window, index)
            emitted += 1
    if not emitted:
        raise StreamError(f'{stream.name}: no frames')


def smooth(windows: Iterable[WindowScores], span: int) -> Iterator[WindowScores]:
    """Centred moving average of cosines and scores over ``span`` windows (odd); 1 changes nothing.

    At both ends the average is over the windows there are.
    """
    if span < 1 or span % 2 == 0:
        raise ValueError(f'smoothing over {span} windows: give an odd number, 1 for none')
    reach = span // 2
    around: deque[WindowScores] = deque(maxlen=span)
    position = 0  # of the window whose average comes next, within `around`
    for window in windows:
        full = len(around) == span
        around.append(window)
        if full:
            position -= 1
        if len(around) > position + reach:
            yield _average(around, position, reach)
            position += 1
    while position < len(around):
        yield _average(around, position, reach)
        position += 1


def _average(around: deque[WindowScores], position: int, reach: int) -> WindowScores:
    near = list(around)[max(0, position - reach) : position + reach + 1]
    window = around[position]
    return WindowScores(
        window.start_sec,
        window.end_sec,
        np.mean([w.cosines for w in near], axis=0),
        np.mean([w.scores for w in near], axis=0),
        window.rejected,
    )
