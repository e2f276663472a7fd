"""What the inferencer returns, and the forms in which it is written. No torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..files import check_target, dump_json, replacing

NONE_OF_THESE = 'none of these'

# Half of a pair: what the bytes of a file name that are not UTF-8 become in Python.


@dataclass
class VideoResult:
    """The top k classes of one video, best first, or why there are none.

    ``cosines`` lie between -1 and 1, ``logits`` are cosines times the model's scale, both averaged
    over the views of a video; ``probabilities`` are the head's scores, over all classes and
    averaged as in testing. ``scores`` has those of all K classes in the order of the label list.
    ``timings`` are seconds: ``decode`` (reading and the pipeline) and ``model`` (the video's share
    of its batch). ``rejected`` is True where none of the labels is taken to fit. ``shown`` has the
    labels that reach the threshold, of a model for several labels per video; else None.
    """

    video: str
    labels: list[str] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    rejected: bool = False
    timings: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    scores: np.ndarray | None = None
    shown: list[str] | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        if not self.ok:
            return {'video': self.video, 'error': self.error}
        rows = zip(self.labels, self.probabilities, self.cosines, self.logits, strict=True)
        return {
            'video': self.video,
            'label': self.label,
            **({} if self.shown is None else {'shown': [] if self.rejected else self.shown}),
            'topk': [
                {'label': name, 'probability': p, 'cosine': c, 'logit': logit}
                for name, p, c, logit in rows
            ],
            'timings_sec': self.timings,
        }


def printable(text: str) -> str:
    """Return a name on one line of a terminal: control characters and broken UTF-8 are escaped."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text)


def to_json(results: Sequence[VideoResult]) -> str:
    return dump_json([r.to_dict() for r in results], indent=2) + '\n'


def to_csv(results: Sequence[VideoResult]) -> str:
    """One row per video and rank; an unreadable video has one row with its error."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(['video', 'rank', 'label', 'probability', 'cosine', 'logit', 'answer', 'error'])
    for r in results:
        if not r.ok:
            writer.writerow([r.video, '', '', '', '', '', '', r.error])
        rows = zip(r.labels, r.probabilities, r.cosines, r.logits, strict=True)
        for rank, (name, *values) in enumerate(rows, 1):
            writer.writerow([r.video, rank, name, *(f'{v:.6f}' for v in values), r.label, ''])
    return out.getvalue()


def to_table(results: Sequence[VideoResult]) -> str:
    """Columns for a terminal; ``*`` behind each label shown, where there may be several."""
    rows = [('video', '', 'label', 'probability', 'cosine', 'logit')]
    for r in results:
        if not r.ok:
            continue
        if r.label == NONE_OF_THESE:
            rows.append((printable(r.video), '', NONE_OF_THESE, '', '', ''))
        for rank, name in enumerate(r.labels):
            rows.append(
                (
                    printable(r.video) if rank == 0 and r.label != NONE_OF_THESE else '',
                    str(rank + 1),
                    f'{name} *' if r.shown and name in r.shown else name,
                    f'{r.probabilities[rank]:.3f}',
                    f'{r.cosines[rank]:.3f}',
                    f'{r.logits[rank]:.2f}',
                )
            )
    text = align(rows, right=(1, 3, 4, 5)) if len(rows) > 1 else ''
    return text + ''.join(f'failed: {printable(str(r.error))}\n' for r in results if not r.ok)


def align(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of texts -> lines with columns of equal width; those in ``right`` are flushed right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append('  '.join(cells).rstrip() + '\n')
    return ''.join(lines)


def write_whole(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Have ``write`` make a file that a user named, whole or not at all.

    Raises:
        OSError: as :func:`.files.check_target`.
    """
    check_target(path)
    with replacing(path) as temporary:
        write(temporary)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all; file names in it keep their bytes."""
    data = text.encode('utf-8', 'surrogateescape')
    write_whole(path, lambda temporary: temporary.write_bytes(data))
