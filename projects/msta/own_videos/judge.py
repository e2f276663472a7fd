"""What frozen and adapted models answer on held-out clips, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .collect import Clip

_DRAWS = 2000
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of N clips in percent, with its 95% interval."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f'{self.value:.1f}% [{self.low:.1f}, {self.high:.1f}]'


def right_answers(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether each clip's best class is the true one ``(N,)``; one that failed (NaN) is wrong."""
    known = np.isfinite(scores).all(1)
    return known & (np.where(np.isfinite(scores), scores, -np.inf).argmax(1) == truth)


def truth_of(clips: Sequence[Clip], classes: int) -> np.ndarray:
    """Whether each clip shows each class, ``(N, K)``."""
    truth = np.zeros((len(clips), classes), bool)
    for row, clip in enumerate(clips):
        truth[row, list(clip.labels)] = True
    return truth


def rate(right: np.ndarray) -> Rate:
    """The share of true values ``(N,)`` with Wilson's interval, which holds for small N and at 100%
    (E. B. Wilson, 1927).
    """
    n = len(right)
    if not n:
        return Rate(math.nan, 0.0, 100.0, 0)
    p, z = float(np.mean(right)), _NORMAL_95
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Rate(100 * p, 100 * max(0, middle - reach), 100 * min(1, middle + reach), n)


def paired_gain(
    before: np.ndarray, after: np.ndarray, groups: Sequence[str], seed: int = 0
) -> Rate:
    """Mean of ``after - before`` over clips, in points, with a 95% bootstrap interval over groups.

    Clips cut from one recording are not independent: whole groups are drawn, with both models'
    answers of each clip kept together.
    """
    difference = 100 * (np.asarray(after, float) - np.asarray(before, float))
    times = _drawn(groups, seed)
    return _interval(difference.mean(), times @ difference / times.sum(1), len(difference))


def mean_precisions(
    before: np.ndarray, after: np.ndarray, truth: np.ndarray, groups: Sequence[str], seed: int = 0
) -> tuple[Rate, Rate, Rate]:
    """Mean average precision by scores ``(N, K)`` before and after, and the gain, in percent.

    Intervals are as in :func:`paired_gain`; a draw without a video of a class leaves it out.
    """
    from ..evaluation.multi_label import average_precisions

    times = _drawn(groups, seed)
    values = [float(100 * np.nanmean(average_precisions(s, truth))) for s in (before, after)]
    draws = [100 * np.nanmean(drawn_precisions(s, truth, times), 1) for s in (before, after)]
    first, second = (_interval(v, d, len(truth)) for v, d in zip(values, draws, strict=True))
    return first, second, _interval(values[1] - values[0], draws[1] - draws[0], len(truth))


def drawn_precisions(scores: np.ndarray, truth: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Average precisions ``(D, K)`` of D draws that take clips ``times`` ``(D, N)`` times."""
    known = np.isfinite(scores).all(1)
    scores = np.where(known[:, None], scores, scores[known].min(initial=0.0) - 1)
    columns = []
    for score, true in zip(scores.T, truth.T, strict=True):
        order = np.argsort(-score, kind='stable')
        # Equal scores are shown together: the precision is that behind the last of them.
        last = np.searchsorted(-score[order], -score[order], 'right') - 1
        shown, found = times[:, order].cumsum(1), (times * true)[:, order].cumsum(1)
        with np.errstate(invalid='ignore'):
            precision = np.nan_to_num(found[:, last] / shown[:, last])
            weights = (times * true)[:, order]
            columns.append((weights * precision).sum(1) / weights.sum(1))
    return np.stack(columns, 1)


def _drawn(groups: Sequence[str], seed: int) -> np.ndarray:
    """How often each clip is in each of many draws of whole groups, ``(D, N)``."""
    names, of = np.unique(np.asarray(groups), return_inverse=True)
    draws = np.random.default_rng(seed).integers(0, len(names), (_DRAWS, len(names)))
    counts = np.stack([np.bincount(draw, minlength=len(names)) for draw in draws])
    return counts[:, of]


def _interval(value: float, draws: np.ndarray, count: int) -> Rate:
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return Rate(float(value), float(low), float(high), count)
