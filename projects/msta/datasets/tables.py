"""Tables of the pictures in video files, and a memory of them."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from .orientation import Turn
from .packets import Key

FALLBACK_FPS = 25.0
_NUMBERS = 4_000_000  # kept in a memory of tables


class UnreadableError(Exception):
    """Why a file cannot be read: ``reason`` is a key of ``decoding.REASONS``."""

    def __init__(self, reason: str, detail: str = '') -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Table:
    """The pictures of a file in the order of a decode, which is the order of show.

    ``times`` are seconds since the first picture, (N,). ``pts`` are their time stamps where
    pictures can be found by them, else None; ``keys`` where a decode can start then. ``damaged`` of
    the ``total`` pictures of the file are lost, or came with an error of the decoder or after one.
    ``proven``: this table is of a decode of everything, otherwise of the file's index. ``turn`` is
    what is done to each picture, None until one was read.
    """

    times: np.ndarray
    pts: Sequence[int] | None
    keys: Sequence[Key]
    damaged: int
    total: int
    proven: bool
    turn: Turn | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def fps(self) -> float:
        """Pictures per second, by their times."""
        return float((len(self) - 1) / self.times[-1]) if self.times[-1] > 0 else FALLBACK_FPS


def times_of(
    stamps: Sequence[int | None], time_base: Fraction | None, rate: Fraction | None
) -> np.ndarray:
    """Seconds since the first picture; by the frame rate where time stamps lack or do not rise."""
    count = len(stamps)
    if time_base is not None and None not in stamps:
        times = np.array(stamps, np.float64)
        if count == 1 or np.diff(times).min() > 0:
            return (times - times[0]) * float(time_base)
    return np.arange(count) / float(rate or FALLBACK_FPS)


class Tables:
    """Tables of the files opened last, each for as long as its file keeps size and time."""

    def __init__(self) -> None:
        self._tables: OrderedDict[tuple[str, int, int], Table] = OrderedDict()
        self._numbers = 0

    def get(self, path: str) -> Table | None:
        stamp = _stamp(path)
        if stamp not in self._tables:
            return None
        self._tables.move_to_end(stamp)
        return self._tables[stamp]

    def put(self, path: str, table: Table) -> None:
        stamp = _stamp(path)
        if stamp not in self._tables:
            self._numbers += _size(table)
        self._tables[stamp] = table
        while self._numbers > _NUMBERS:
            self._numbers -= _size(self._tables.popitem(last=False)[1])


def _stamp(path: str) -> tuple[str, int, int]:
    status = Path(path).stat()
    return path, status.st_size, status.st_mtime_ns


def _size(table: Table) -> int:
    return 100 + len(table) * (1 if table.pts is None else 6) + 20 * len(table.keys)
