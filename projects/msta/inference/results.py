"""What is answered of a video, and the forms in which answers are written. No torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..files import dump_json

NONE_OF_THESE = 'none of these'


@dataclass
class Result:
    """What is answered of ``video``, or the ``error`` that kept it from being read.

    ``timings`` are seconds.
    """

    video: str
    error: str | None = field(default=None, kw_only=True)
    timings: dict[str, float] = field(default_factory=dict, kw_only=True)

    # Names of the columns behind that of the video, and which are flushed right in a table.
    CSV: ClassVar[Sequence[str]]
    TABLE: ClassVar[Sequence[str]]
    RIGHT: ClassVar[Sequence[int]]

    @property
    def ok(self) -> bool:
        return self.error is None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        if not self.ok:
            return {'video': self.video, 'error': self.error}
        return {'video': self.video, **self._facts(), 'timings_sec': self.timings}

    def _facts(self) -> dict[str, Any]:
        raise NotImplementedError

    def csv_rows(self) -> Iterator[list[Any]]:
        raise NotImplementedError

    def table_rows(self) -> Iterator[list[str]]:
        raise NotImplementedError


@dataclass
class VideoResult(Result):
    """The top k classes of one video, best first.

    ``cosines`` lie between -1 and 1, ``logits`` are cosines times the model's scale, both averaged
    over the views of a video; ``probabilities`` are the head's scores, over all classes and
    averaged as in testing. ``scores`` has those of all K classes in the order of the label list.
    ``timings``: ``decode`` (reading and the pipeline) and ``model`` (the video's share of its
    batch). ``rejected`` is True where none of the labels is taken to fit. ``shown`` has the labels
    that reach the threshold, of a model for several labels per video; else None.
    """

    labels: list[str] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    rejected: bool = False
    scores: np.ndarray | None = None
    shown: list[str] | None = None

    CSV = ('rank', 'label', 'probability', 'cosine', 'logit', 'answer')
    TABLE = ('', 'label', 'probability', 'cosine', 'logit')
    RIGHT = (1, 3, 4, 5)

    @property
    def label(self) -> str | None:
        """The answer: the best label, ``'none of these'``, or None for an unreadable video.

        Several labels are joined by ``|``, as a CSV of ``tools/adapt.py`` has them.
        """
        if not self.ok:
            return None
        if self.rejected or self.shown == []:
            return NONE_OF_THESE
        return '|'.join(self.shown or self.labels[:1])

    @property
    def probability(self) -> float | None:
        """Of the best label; None for an unreadable video."""
        return self.probabilities[0] if self.ok else None

    def _ranked(self) -> Iterator[tuple[str, float, float, float]]:
        return zip(self.labels, self.probabilities, self.cosines, self.logits, strict=True)

    def _facts(self) -> dict[str, Any]:
        names = ('label', 'probability', 'cosine', 'logit')
        shown = {} if self.shown is None else {'shown': [] if self.rejected else self.shown}
        topk = [dict(zip(names, row, strict=True)) for row in self._ranked()]
        return {'label': self.label, **shown, 'topk': topk}

    def csv_rows(self) -> Iterator[list[Any]]:
        """One row per rank."""
        for rank, (name, *values) in enumerate(self._ranked(), 1):
            yield [rank, name, *(f'{value:.6f}' for value in values), self.label]

    def table_rows(self) -> Iterator[list[str]]:
        """One row per rank; ``*`` behind each label shown, where there may be several."""
        if self.label == NONE_OF_THESE:
            yield ['', NONE_OF_THESE, '', '', '']
        for rank, (name, probability, cosine, logit) in enumerate(self._ranked(), 1):
            mark = ' *' if name in (self.shown or ()) else ''
            numbers = [f'{probability:.3f}', f'{cosine:.3f}', f'{logit:.2f}']
            yield [str(rank), name + mark, *numbers]


def to_json(answers: Sequence[Result]) -> str:
    return dump_json([answer.to_dict() for answer in answers], indent=2) + '\n'


def to_csv(answers: Sequence[Result]) -> str:
    """Rows of all answers, of one kind; an unreadable video has one row with its error."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    header = answers[0].CSV if answers else ()
    writer.writerow(['video', *header, 'error'])
    for answer in answers:
        if not answer.ok:
            writer.writerow([answer.video, *[''] * len(header), answer.error])
        writer.writerows([answer.video, *row, ''] for row in answer.csv_rows())
    return out.getvalue()


def to_table(answers: Sequence[Result]) -> str:
    """Columns for a terminal; a video is named in its first row."""
    text = ''.join(f'failed: {printable(str(a.error))}\n' for a in answers if not a.ok)
    rows = [
        ['' if number else printable(answer.video), *row]
        for answer in answers
        for number, row in enumerate(answer.table_rows())
    ]
    if not rows:
        return text
    return align([['video', *answers[0].TABLE], *rows], answers[0].RIGHT) + text


def printable(text: str) -> str:
    """Return a name on one line of a terminal: control characters and broken UTF-8 are escaped."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text)


def align(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of texts -> lines with columns of equal width; those in ``right`` are flushed right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append('  '.join(cells).rstrip() + '\n')
    return ''.join(lines)
