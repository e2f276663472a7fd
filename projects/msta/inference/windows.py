"""Sliding windows over videos of any length, in memory that does not grow with it."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, repeat

import numpy as np
from torch import Tensor

from .loading import VideoLoader
from .streams import FrameStream, StreamError

_EPSILON_SEC = 1e-6  # time stamps are rounded


@dataclass
class Window:
    """A stretch of time as the model takes it: ``(V, C, T, H, W)``, uint8."""

    start_sec: float
    end_sec: float
    inputs: Tensor


@dataclass
class WindowScores:
    """A window's scores ``(K,)``, and whether none of the labels fits it."""

    start_sec: float
    end_sec: float
    scores: np.ndarray
    rejected: bool = False

    @property
    def centre_sec(self) -> float:
        return (self.start_sec + self.end_sec) / 2


@dataclass
class _Span:
    """``length`` frames from ``first`` on; those that are looked at, by their number in it."""

    first: int
    length: int
    start_sec: float
    end_sec: float
    frames: dict[int, np.ndarray] = field(default_factory=dict)


def window_starts(total: float, length: float, stride: float) -> Iterator[float]:
    """Where windows start; the last one ends with the video, if ``total`` is not 0 (unknown)."""
    start, number = 0 * stride, 0
    while not total or start + length <= total + _EPSILON_SEC:
        yield start
        number += 1
        start = number * stride
    if start - stride + length < total - _EPSILON_SEC:
        yield total - length


def _spans(stream: FrameStream, window_sec: float, stride_sec: float) -> Iterator[_Span]:
    times, fps = stream.times, stream.fps
    if times is None:
        length = max(1, round(window_sec * fps))
        length = min(length, stream.total) if stream.total else length
        for start in window_starts(stream.total, length, max(1, round(stride_sec * fps))):
            yield _Span(int(start), length, start / fps, (start + length) / fps)
        return
    # The last frame is shown for as long as frames usually are.
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 1 / fps
    duration = float(times[-1]) + usual
    for start_sec in window_starts(duration, min(window_sec, duration), stride_sec):
        end_sec = min(start_sec + window_sec, duration)
        first, last = np.searchsorted(times, [start_sec - _EPSILON_SEC, end_sec - _EPSILON_SEC])
        if first == last:  # one frame is shown throughout
            first = max(0, first - 1)
        yield _Span(int(first), max(1, int(last - first)), start_sec, end_sec)


def iter_windows(
    stream: FrameStream, loader: VideoLoader, window_sec: float, stride_sec: float
) -> Iterator[Window]:
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

    @cache
    def sampled(length: int) -> np.ndarray:
        return loader.sample(length, stream.fps)

    def finish(span: _Span, end_sec: float) -> Window:
        last = span.frames[max(span.frames)]
        frames = np.stack([span.frames.get(int(i), last) for i in sampled(span.length)])
        return Window(span.start_sec, end_sec, loader.finish(frames, span.length, stream.fps))

    spans = _spans(stream, window_sec, stride_sec)
    upcoming = next(spans, None)
    pending: deque[_Span] = deque()
    index, emitted = 0, 0
    while (upcoming or pending) and stream.grab():
        while upcoming and upcoming.first <= index:
            pending.append(upcoming)
            upcoming = next(spans, None)
        takers = [span for span in pending if index - span.first in sampled(span.length)]
        if takers:
            frame = stream.frame()
            for span in takers:
                span.frames[index - span.first] = frame
        index += 1
        while pending and pending[0].first + pending[0].length <= index:
            span = pending.popleft()
            yield finish(span, span.end_sec)
            emitted += 1
    if not emitted:
        if not pending or not pending[0].frames:
            raise StreamError(f'{stream.name}: no frames')
        yield finish(pending[0], index / stream.fps)


def smooth(windows: Iterable[WindowScores], span: int) -> Iterator[WindowScores]:
    """Centred moving average of scores over ``span`` windows (odd); 1 changes nothing.

    At both ends the average is over the windows there are.
    """
    if span < 1 or span % 2 == 0:
        raise ValueError(f'smoothing over {span} windows: give an odd number, 1 for none')
    reach = span // 2
    near: deque[WindowScores | None] = deque([None] * span, maxlen=span)
    for window in chain(windows, repeat(None, reach)):  # None: before the start, past the end
        near.append(window)
        if (centre := near[reach]) is not None:
            yield replace(centre, scores=np.mean([w.scores for w in near if w], axis=0))
