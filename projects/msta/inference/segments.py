"""From windows to what happens when: labelled stretches of time, and the files that say so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .results import align, dump_json, printable


@dataclass
class Cell:
    """The stretch of time that one window speaks for, and its best labels."""

    start_sec: float
    end_sec: float
    label: str
    labels: list[str]
    probabilities: list[float]


@dataclass
class Segment:
    """Neighbouring cells of one label; ``probability`` is the mean over its windows."""

    start_sec: float
    end_sec: float
    label: str
    probability: float
    windows: int


@dataclass
class Timeline:
    """A long video's cells and segments, or why there are none."""

    video: str
    duration_sec: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        if not self.ok:
            return {'video': self.video, 'error': self.error}
        return {
            'video': self.video,
            'duration_sec': self.duration_sec,
            'segments': [vars(segment) for segment in self.segments],
            'windows': [vars(cell) for cell in self.cells],
            'timings_sec': self.timings,
        }


def join_cells(cells: Iterable[Cell], min_sec: float = 0.0) -> list[Segment]:
    """Join neighbours of one label; a segment shorter than ``min_sec`` goes to the one before it.

    A short first segment goes to the one after it.
    """
    segments: list[Segment] = []
    for cell in cells:
        probability = cell.probabilities[0]
        last = segments[-1] if segments else None
        if last is not None and last.label == cell.label:
            last.probability += (probability - last.probability) / (last.windows + 1)
            last.windows += 1
            last.end_sec = cell.end_sec
            continue
        if last is not None and _absorb(segments, min_sec) and segments[-1].label == cell.label:
            _extend(segments[-1], Segment(cell.start_sec, cell.end_sec, cell.label, probability, 1))
            continue
        segments.append(Segment(cell.start_sec, cell.end_sec, cell.label, probability, 1))
    _absorb(segments, min_sec)
    if len(segments) > 1 and segments[0].end_sec - segments[0].start_sec < min_sec:
        segments[1].start_sec = segments[0].start_sec
        del segments[0]
    return segments


def _absorb(segments: list[Segment], min_sec: float) -> bool:
    """Give a last segment that is too short to the one before it."""
    last = segments[-1] if len(segments) > 1 else None
    if last is None or last.end_sec - last.start_sec >= min_sec:
        return False
    segments.pop()
    segments[-1].end_sec = last.end_sec
    return True


def _extend(segment: Segment, other: Segment) -> None:
    total = segment.windows + other.windows
    weighted = segment.probability * segment.windows + other.probability * other.windows
    segment.probability, segment.windows, segment.end_sec = weighted / total, total, other.end_sec


def to_json(timelines: Sequence[Timeline]) -> str:
    return dump_json([t.to_dict() for t in timelines], indent=2) + '\n'


def to_csv(timelines: Sequence[Timeline]) -> str:
    """One row per segment; an unreadable video has one row with its error."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(['video', 'start_sec', 'end_sec', 'label', 'probability', 'error'])
    for timeline in timelines:
        if not timeline.ok:
            writer.writerow([timeline.video, '', '', '', '', timeline.error])
        for s in timeline.segments:
            times = [f'{s.start_sec:.3f}', f'{s.end_sec:.3f}']
            writer.writerow([timeline.video, *times, s.label, f'{s.probability:.6f}', ''])
    return out.getvalue()


def to_table(timelines: Sequence[Timeline]) -> str:
    """Columns for a terminal."""
    rows = [('video', 'start', 'end', 'label', 'probability')]
    for timeline in timelines:
        for index, s in enumerate(timeline.segments):
            name = '' if index else printable(timeline.video)
            rows.append(
                (name, clock(s.start_sec), clock(s.end_sec), s.label, f'{s.probability:.3f}')
            )
    text = align(rows, right=(1, 2, 4)) if len(rows) > 1 else ''
    return text + ''.join(f'failed: {printable(str(t.error))}\n' for t in timelines if not t.ok)


def clock(seconds: float) -> str:
    """Seconds -> ``1:02:03.4``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    lead = f'{hours}:{minutes:02d}' if hours else f'{minutes}'
    return f'{lead}:{rest // 10:02d}.{rest % 10}'
