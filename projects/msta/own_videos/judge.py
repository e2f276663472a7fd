"""What frozen and adapted models answer on held-out clips, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    names = sorted(set(groups))
    index = {name: position for position, name in enumerate(names)}
    of = np.array([index[group] for group in groups])
    sums = np.bincount(of, difference, len(names))
    sizes = np.bincount(of, minlength=len(names))
    draws = np.random.default_rng(seed).integers(0, len(names), (_DRAWS, len(names)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Rate(float(difference.mean()), float(low), float(high), len(difference))
