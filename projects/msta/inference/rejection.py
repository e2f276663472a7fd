"""'None of these': when the best label is not good enough. No torch.

A model that compares always finds a nearest label. Whether it is near is told by the best cosine
(``threshold``) or by its lead over the second best (``margin``), against a value calibrated on
videos whose labels are known and, better, on some that show none of the labels.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..files import write_json

METHODS = ('threshold', 'margin')
FOLDS = 5


class RejectionError(ValueError):
    """A rejection rule that cannot be used or calibrated."""


@dataclass(frozen=True)
class Rejection:
    """Reject a video whose statistic lies below ``value``.

    ``method``: ``'threshold'``, the best cosine; ``'margin'``, best minus second best cosine.
    ``labels`` and ``model`` (:func:`.recognizers.digest_of`) are what it was calibrated with,
    if known.
    """

    method: str
    value: float
    labels: tuple[str, ...] | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise RejectionError(f'method {self.method!r} is not one of {METHODS}')
        if not np.isfinite(self.value):
            raise RejectionError(f'value {self.value} is not a finite number')

    def rejects(self, cosines: np.ndarray) -> np.ndarray:
        """Cosines ``(N, K)`` -> bool ``(N,)``."""
        return _statistic(cosines, self.method) < self.value

    def warn_of_misfit(self, labels: Sequence[str], model: str) -> None:
        """Warn of a rule that was calibrated with other labels, or another model."""
        misfit = 'another model, or other prompts' if self.model not in (None, model) else ''
        if self.labels is not None and self.labels != tuple(labels):
            misfit = f'{len(self.labels)} other labels than these {len(labels)}'
        if misfit:
            warnings.warn(
                f'the rule for none of these was calibrated with {misfit}, whose cosines are of '
                'another size: calibrate again (tools/calibrate.py)',
                stacklevel=4,
            )

    def save(self, path: str | Path) -> None:
        write_json(path, asdict(self), indent=2)


def read_rejection(path: str | Path) -> Rejection:
    """Read a rule that :meth:`Rejection.save` wrote."""
    try:
        fields = json.loads(Path(path).read_text(encoding='utf-8'))
        labels = fields.get('labels') and tuple(map(str, fields['labels']))
        return Rejection(str(fields['method']), float(fields['value']), labels, fields.get('model'))
    except RejectionError:
        raise
    except FileNotFoundError as error:
        raise RejectionError(f'no rule {path}; tools/calibrate.py writes one') from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RejectionError(
            f'{path}: not a rejection rule as tools/calibrate.py writes it ({error!r})'
        ) from error


def _statistic(cosines: np.ndarray, method: str) -> np.ndarray:
    if method == 'threshold':
        return cosines.max(1)
    if cosines.shape[1] < 2:
        raise RejectionError('a margin needs at least two labels; use the threshold method')
    second, best = np.partition(cosines, -2, axis=1)[:, -2:].T
    return best - second


@dataclass(frozen=True)
class Calibration:
    """A rule, and what it does on videos that it was not fitted to.

    ``known_kept``: share of the videos of the labels that pass; ``unknown_rejected``: share of the
    others that do not. Both are held out: each fold is judged by a rule fitted to the other folds
    (None for fewer than :data:`FOLDS` videos of a kind). ``auroc``: how often a known video's
    statistic exceeds an unknown one's; ``auroc_by_chance``: what it could reach if it told nothing.
    """

    rejection: Rejection
    known_kept: float | None = None
    unknown_rejected: float | None = None
    auroc: float | None = None
    auroc_by_chance: float = 0.0

    @property
    def useless(self) -> bool:
        """Whether the statistic does not tell known from unknown videos."""
        return self.auroc is not None and self.auroc <= self.auroc_by_chance


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
    inside = _statistic(known, method)
    outside = np.empty(0) if unknown is None or not len(unknown) else _statistic(unknown, method)
    rule = Rejection(method, _fit(inside, outside, keep))
    kept, rejected = _held_out(inside, outside, keep)
    if not len(outside):
        return Calibration(rule, kept)
    ordered = np.sort(outside)
    below = sum(np.searchsorted(ordered, inside, side).mean() / 2 for side in ('left', 'right'))
    auroc = float(below / len(outside))
    # Two standard errors of the Mann-Whitney statistic when both kinds are alike.
    spread = ((len(inside) + len(outside) + 1) / (12 * len(inside) * len(outside))) ** 0.5
    return Calibration(rule, kept, rejected, auroc, min(0.5 + 2 * spread, 0.999))


def _fit(inside: np.ndarray, outside: np.ndarray, keep: float) -> float:
    """The value that statistics of known and unknown videos, ``(N,)`` each, ask for."""
    inside, outside = np.sort(inside), np.sort(outside)
    if not len(outside):
        return float(inside[int(np.floor((1 - keep) * len(inside) + 1e-9))])
    values = np.unique(np.concatenate([inside, outside]))
    # Between neighbours no video changes sides: midpoints leave the widest room on both.
    cuts = np.concatenate(
        [values[:1], (values[1:] + values[:-1]) / 2, [np.nextafter(values[-1], 2)]]
    )
    kept = 1 - np.searchsorted(inside, cuts) / len(inside)
    rejected = np.searchsorted(outside, cuts) / len(outside)
    return float(cuts[np.argmax(kept + rejected)])


def _held_out(
    inside: np.ndarray, outside: np.ndarray, keep: float
) -> tuple[float | None, float | None]:
    """Shares of known videos kept and unknown ones rejected, by rules that did not see them."""
    if len(inside) < FOLDS or 0 < len(outside) < FOLDS:
        return None, None
    random = np.random.default_rng(0)
    ours, theirs = (random.permutation(len(x)) % FOLDS for x in (inside, outside))
    kept, rejected = np.zeros(len(inside), bool), np.zeros(len(outside), bool)
    for fold in range(FOLDS):
        value = _fit(inside[ours != fold], outside[theirs != fold], keep)
        kept[ours == fold] = inside[ours == fold] >= value
        rejected[theirs == fold] = outside[theirs == fold] < value
    return float(kept.mean()), float(rejected.mean()) if len(outside) else None
