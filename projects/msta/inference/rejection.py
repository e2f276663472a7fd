"""'None of these': when the best label is not good enough. No torch.

A model that compares always finds a nearest label. Whether it is near is told by the best cosine
(``threshold``) or by its lead over the second best (``margin``), against a value calibrated on
videos whose labels are known and, better, on some that show none of the labels.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .results import write_text

METHODS = ('threshold', 'margin')


class RejectionError(ValueError):
    """A rejection rule that cannot be used or calibrated."""


@dataclass(frozen=True)
class Rejection:
    """Reject a video whose statistic lies below ``value``.

    ``method``: ``'threshold'``, the best cosine; ``'margin'``, best minus second best cosine.
    """

    method: str
    value: float

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise RejectionError(f'method {self.method!r} is not one of {METHODS}')
        if not np.isfinite(self.value):
            raise RejectionError(f'value {self.value} is not a finite number')

    def rejects(self, cosines: np.ndarray) -> np.ndarray:
        """Cosines ``(N, K)`` -> bool ``(N,)``."""
        return statistic(cosines, self.method) < self.value

    def save(self, path: str | Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=2) + '\n')


def read_rejection(path: str | Path) -> Rejection:
    """Read a rule that :meth:`Rejection.save` wrote."""
    try:
        fields = json.loads(Path(path).read_text(encoding='utf-8'))
        return Rejection(str(fields['method']), float(fields['value']))
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, RejectionError):
            raise
        raise RejectionError(
            f'{path}: not a rejection rule as tools/calibrate.py writes it ({error!r})'
        ) from error


def statistic(cosines: np.ndarray, method: str) -> np.ndarray:
    """Cosines ``(N, K)`` -> what is compared with the value, ``(N,)``."""
    if method == 'threshold':
        return cosines.max(1)
    if cosines.shape[1] < 2:
        raise RejectionError('a margin needs at least two labels; use the threshold method')
    second, best = np.partition(cosines, -2, axis=1)[:, -2:].T
    return best - second


@dataclass(frozen=True)
class Calibration:
    """A rule and what it does on the videos it was calibrated on.

    ``known_kept``: share of the videos of the labels that pass. ``unknown_rejected``: share of the
    others that do not; ``auroc``: how often a known video's statistic exceeds an unknown one's.
    """

    rejection: Rejection
    known_kept: float
    unknown_rejected: float | None = None
    auroc: float | None = None


def calibrate(
    known: np.ndarray,
    unknown: np.ndarray | None = None,
    method: str = 'threshold',
    keep: float = 0.95,
) -> Calibration:
    """Find the value from cosines ``(N, K)`` of known and, if at hand, unknown videos.

    With unknown videos it maximises the mean of the two shares that are judged right; without, it
    keeps the share ``keep`` of the known ones.
    """
    if not len(known):
        raise RejectionError('no readable video to calibrate on')
    if not 0 < keep <= 1:
        raise RejectionError(f'keep={keep} must lie in (0, 1]: the share of videos that pass')
    inside = np.sort(statistic(known, method))
    if unknown is None or not len(unknown):
        value = float(inside[int(np.floor((1 - keep) * len(inside) + 1e-9))])
        return Calibration(Rejection(method, value), float((inside >= value).mean()))
    outside = np.sort(statistic(unknown, method))
    values = np.unique(np.concatenate([inside, outside]))
    # Between neighbours no video changes sides: midpoints leave the widest room on both.
    cuts = np.concatenate(
        [values[:1], (values[1:] + values[:-1]) / 2, [np.nextafter(values[-1], 2)]]
    )
    kept = 1 - np.searchsorted(inside, cuts) / len(inside)
    rejected = np.searchsorted(outside, cuts) / len(outside)
    best = int(np.argmax(kept + rejected))
    below = np.searchsorted(outside, inside, 'left') + np.searchsorted(outside, inside, 'right')
    auroc = float(below.mean() / 2 / len(outside))
    rule = Rejection(method, float(cuts[best]))
    return Calibration(rule, float(kept[best]), float(rejected[best]), auroc)
