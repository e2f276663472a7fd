"""Sliding windows over videos of any length, in memory that does not grow with it."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from .loading import VideoLoader
from .streams import FrameStream, StreamError

_EPSILON_SEC = 1e-6  # time stamps are rounded


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
    """A window that waits for frames: ``length`` of them from ``start`` on."""

    start: int
    length: int
    start_sec: float
    end_sec: float
    offsets: np.ndarray
    frames: dict[int, np.ndarray] = field(default_factory=dict)


def window_starts(total: int, length: int, stride: int) -> Iterator[int]:
    """First frames of the windows; the last one ends with the video, if ``total`` is not 0."""
    start = 0
    while not total or start + length <= total:
        yield start
        start += stride
    if start - stride + length < total:
        yield total - length


def timed_starts(duration_sec: float, window_sec: float, stride_sec: float) -> Iterator[float]:
    """Where windows start, in seconds; the last one ends with the video."""
    number = 0
    while number * stride_sec + window_sec <= duration_sec + _EPSILON_SEC:
        yield number * stride_sec
        number += 1
    if (number - 1) * stride_sec + window_sec < duration_sec - _EPSILON_SEC:
        yield max(0.0, duration_sec - window_sec)


def _spans(
    stream: FrameStream, window_sec: float, stride_sec: float
) -> Iterator[tuple[int, int, float, float]]:
    """Windows as (first frame, number of frames, start, end in seconds), in order."""
    if stream.times is None:
        length = max(1, round(window_sec * stream.fps))
        length = min(length, stream.total) if stream.total else length
        stride = max(1, round(stride_sec * stream.fps))
        for start in window_starts(stream.total, length, stride):
            yield start, length, start / stream.fps, (start + length) / stream.fps
        return
    times = stream.times
    # The last frame is shown for as long as frames usually are.
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 1 / stream.fps
    duration = float(times[-1]) + usual
    for start_sec in timed_starts(duration, min(window_sec, duration), stride_sec):
        end_sec = min(start_sec + window_sec, duration)
        first, last = np.searchsorted(times, [start_sec - _EPSILON_SEC, end_sec - _EPSILON_SEC])
        if first == last:  # one frame is shown throughout
            first = max(0, first - 1)
        yield int(first), max(1, int(last - first)), start_sec, end_sec


def iter_windows(
    stream: FrameStream, loader: VideoLoader, window_sec: float, stride_sec: float
) -> Iterator[WindowInputs]:
    """Windows of ``window_sec`` seconds, ``stride_sec`` apart, each through the test pipeline.

    A window of a file has the frames whose time stamps lie in it. Only frames that the pipeline
    samples are kept, and only while a window still waits for one. A video shorter than a window is
    one window. The end of a stream that does not fill a window is left out, unless it is all there
    is.
    """
    if not (window_sec > 0 and stride_sec > 0):
        raise ValueError(f'window {window_sec} s and stride {stride_sec} s must be positive')
    if stride_sec > window_sec:
        warnings.warn(
            f'windows of {window_sec:g} s every {stride_sec:g} s: what lies between them is not '
            'looked at, and has the label of the nearest',
            stacklevel=2,
        )
    if not stream.total:
        stream.read_ahead(max(1, round(window_sec * stream.fps)))
    samples: dict[int, np.ndarray] = {}  # number of frames -> which of them
    spans = _spans(stream, window_sec, stride_sec)
    upcoming = next(spans, None)
    pending: deque[_Pending] = deque()

    def begin(start: int, length: int, start_sec: float, end_sec: float) -> _Pending:
        if length not in samples:
            samples[length] = loader.sample(length, stream.fps)
        return _Pending(start, length, start_sec, end_sec, samples[length])

    def finish(window: _Pending, end_sec: float) -> WindowInputs:
        last = window.frames[max(window.frames)]
        frames = np.stack([window.frames.get(int(offset), last) for offset in window.offsets])
        inputs = loader.finish(frames, window.length, stream.fps)
        return WindowInputs(window.start_sec, end_sec, inputs)

    index, emitted = 0, 0
    while stream.grab():
        while upcoming is not None and index >= upcoming[0]:
            pending.append(begin(*upcoming))
            upcoming = next(spans, None)
        takers = [window for window in pending if index - window.start in window.offsets]
        if takers:
            frame = stream.frame()
            for window in takers:
                window.frames[index - window.start] = frame
        index += 1
        while pending and index >= pending[0].start + pending[0].length:
            window = pending.popleft()
            yield finish(window, window.end_sec)
            emitted += 1
        if upcoming is None and not pending:
            return
    if pending and pending[0].frames and not emitted:
        yield finish(pending[0], index / stream.fps)
    elif not emitted:
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
