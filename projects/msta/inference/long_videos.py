"""Long videos and streams: windows through an inferencer, smoothed and merged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets.decoding import VideoDecodeError
from .inferencer import MSTAInferencer, batched
from .results import NONE_OF_THESE
from .segments import Cell, Timeline, join_cells
from .streams import FrameStream, StreamError, open_stream
from .windows import WindowScores, iter_windows, smooth


def score_windows(
    inferencer: MSTAInferencer,
    stream: FrameStream,
    window_sec: float = 2.0,
    stride_sec: float = 1.0,
) -> Iterator[WindowScores]:
    """Scores of sliding windows, in order, as they are done; an endless stream's one by one."""
    windows = iter_windows(stream, inferencer.loader, window_sec, stride_sec)
    for batch in batched(windows, inferencer.batch_size if stream.total else 1):
        cosines, _, scores = inferencer.score(torch.stack([w.inputs for w in batch]))
        # Before smoothing, which lowers every maximum: the rule was calibrated on what is single.
        rejected = inferencer.rejects(cosines)
        for window, *found in zip(batch, scores, rejected, strict=True):
            yield WindowScores(window.start_sec, window.end_sec, *found)


def to_cells(
    windows: Iterable[WindowScores], inferencer: MSTAInferencer, topk: int = 5
) -> Iterator[Cell]:
    """Windows -> cells: borders lie half-way between the centres of neighbouring windows."""
    start: float | None = None
    for window, following in pairwise(chain(windows, [None])):
        assert window is not None  # which only follows
        start = window.start_sec if start is None else start
        end = window.end_sec
        if following is not None:
            end = (window.centre_sec + following.centre_sec) / 2
        order = np.argsort(-window.scores, kind='stable')[:topk]
        names = [inferencer.labels[i] for i in order]
        none = window.rejected or inferencer.shown(window.scores) == []
        label = NONE_OF_THESE if none else names[0]
        yield Cell(start, end, label, names, window.scores[order].tolist())
        start = end


def stream_cells(
    inferencer: MSTAInferencer,
    source: Any,
    window_sec: float = 2.0,
    stride_sec: float | None = None,
    smoothing: int = 1,
    topk: int = 5,
    fps: float | None = None,
) -> Iterator[Cell]:
    """Cells of a file, camera (a number), address, array or iterator of frames, as they are done.

    A cell comes out when the window after it is scored, and with smoothing ``smoothing // 2``
    windows later. ``stride_sec`` is half a window by default; ``fps`` is that of frames in memory.
    """
    stream = open_stream(source, fps)
    stride_sec = window_sec / 2 if stride_sec is None else stride_sec
    try:
        windows = score_windows(inferencer, stream, window_sec, stride_sec)
        yield from to_cells(smooth(windows, smoothing), inferencer, topk)
    finally:
        stream.close()


def analyse(
    inferencer: MSTAInferencer,
    source: Any,
    window_sec: float = 2.0,
    stride_sec: float | None = None,
    smoothing: int = 3,
    min_segment_sec: float = 0.0,
    topk: int = 5,
    fps: float | None = None,
    progress: Callable[[Cell], None] | None = None,
) -> Timeline:
    """What happens when in a video of any length; the arguments are those of :func:`stream_cells`.

    An unreadable video has a timeline that says so.
    """
    if not min_segment_sec >= 0:
        raise ValueError(f'shortest segment {min_segment_sec} s: give 0 or more')
    timeline = Timeline(str(source) if isinstance(source, (str, Path, int)) else 'frames')
    started = time.perf_counter()
    try:
        for cell in stream_cells(inferencer, source, window_sec, stride_sec, smoothing, topk, fps):
            timeline.cells.append(cell)
            if progress is not None:
                progress(cell)
    except (StreamError, VideoDecodeError) as error:
        timeline.error = str(error)
        return timeline
    timeline.segments = join_cells(timeline.cells, min_segment_sec)
    timeline.duration_sec = timeline.cells[-1].end_sec
    timeline.timings = {'total': time.perf_counter() - started}
    return timeline
