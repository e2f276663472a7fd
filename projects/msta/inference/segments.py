"""From windows to what happens when: labelled stretches of time. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .results import Result


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
    windows: int = 1

    @property
    def seconds(self) -> float:
        return self.end_sec - self.start_sec


@dataclass
class Timeline(Result):
    """A long video's cells and segments."""

    duration_sec: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    CSV = ('start_sec', 'end_sec', 'label', 'probability')
    TABLE = ('start', 'end', 'label', 'probability')
    RIGHT = (1, 2, 4)

    def _facts(self) -> dict[str, Any]:
        return {
            'duration_sec': self.duration_sec,
            'segments': [vars(segment) for segment in self.segments],
            'windows': [vars(cell) for cell in self.cells],
        }

    def csv_rows(self) -> Iterator[list[Any]]:
        """One row per segment."""
        for s in self.segments:
            yield [f'{s.start_sec:.3f}', f'{s.end_sec:.3f}', s.label, f'{s.probability:.6f}']

    def table_rows(self) -> Iterator[list[str]]:
        """One row per segment."""
        for s in self.segments:
            yield [clock(s.start_sec), clock(s.end_sec), s.label, f'{s.probability:.3f}']


def join_cells(cells: Iterable[Cell], min_sec: float = 0.0) -> list[Segment]:
    """Join neighbours of one label; a segment shorter than ``min_sec`` goes to the one before it.

    A short first segment goes to the one after it.
    """
    segments: list[Segment] = []
    for cell in cells:
        if not segments or segments[-1].label != cell.label:
            _absorb_last(segments, min_sec)
        new = Segment(cell.start_sec, cell.end_sec, cell.label, cell.probabilities[0])
        if not segments or segments[-1].label != cell.label:
            segments.append(new)
            continue
        last = segments[-1]
        last.windows += 1
        last.probability += (new.probability - last.probability) / last.windows
        last.end_sec = new.end_sec
    _absorb_last(segments, min_sec)
    if len(segments) > 1 and segments[0].seconds < min_sec:
        short = segments.pop(0)
        segments[0].start_sec = short.start_sec
    return segments


def _absorb_last(segments: list[Segment], min_sec: float) -> None:
    """Give a last segment that is too short to the one before it."""
    if len(segments) > 1 and segments[-1].seconds < min_sec:
        short = segments.pop()
        segments[-1].end_sec = short.end_sec


def clock(seconds: float) -> str:
    """Seconds -> ``1:02:03.4``."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    lead = f'{hours}:{minutes:02d}' if hours else f'{minutes}'
    return f'{lead}:{tenths // 10:02d}.{tenths % 10}'
