"""Measures of recognition, in numpy.

N videos, K classes. Scores are (N, K), labels (N,) integers; ``truth`` of videos with several
labels is (N, K), 1 where a video shows a class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ClassResult:
    """A row of the per-class table; ``accuracy`` is top-1 in [0, 1], None without videos.

    ``failed`` videos could not be decoded; they are among ``videos`` and count as wrong.
    ``confused_with`` is the class that most wrong answers name (-1: no wrong answer of a decoded
    video).
    """

    label: int
    name: str
    videos: int
    correct: int
    failed: int
    accuracy: float | None
    confused_with: int


def ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rank (N,) the true class among the scores, from 0; a video is top-k correct if < k.

    Of equal scores the lower index comes first, as with argmax. A row with a score that is not
    finite has rank K: never correct.
    """
    scores = np.asarray(scores, np.float64)
    num_classes = scores.shape[1]
    own = np.take_along_axis(scores, labels[:, None], 1)
    before = np.arange(num_classes)[None] < labels[:, None]
    place = ((scores > own) | ((scores == own) & before)).sum(1)
    return np.where(np.isfinite(scores).all(1), place, num_classes)


def mean_class_accuracy(correct: np.ndarray, labels: np.ndarray) -> float:
    """Average the share of correct videos over the classes present; absent ones do not count."""
    return float(np.mean([correct[labels == label].mean() for label in np.unique(labels)]))


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, num_bins: int = 15
) -> float:
    """Compute ECE in [0, 1]: the gap of confidence and accuracy, weighted by the videos of a bin.

    Bins are of equal width, closed above (Guo et al., "On Calibration of Modern Neural Networks",
    ICML 2017, eq. 3).
    """
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == labels
    bins = np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)
    error = 0.0
    for index in np.unique(bins):
        here = bins == index
        error += here.mean() * abs(correct[here].mean() - confidence[here].mean())
    return float(error)


def confusion_matrix(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Count (K, K): rows are true classes, columns answers; negative answers are left out."""
    known = predicted >= 0
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (labels[known], predicted[known]), 1)
    return matrix


def per_class(
    predicted: np.ndarray, labels: np.ndarray, failed: np.ndarray, names: Sequence[str]
) -> list[ClassResult]:
    """Make the per-class table.

    Args:
        predicted: answers (N,); -1 for none.
        labels: true classes (N,).
        failed: booleans (N,): videos that could not be decoded.
        names: the K class names.
    """
    matrix = confusion_matrix(np.where(failed, -1, predicted), labels, len(names))
    table = []
    for label, name in enumerate(names):
        videos = int((labels == label).sum())
        correct = int(matrix[label, label])
        wrong = matrix[label].copy()
        wrong[label] = 0
        table.append(
            ClassResult(
                label=label,
                name=name,
                videos=videos,
                correct=correct,
                failed=int(failed[labels == label].sum()),
                accuracy=correct / videos if videos else None,
                confused_with=int(wrong.argmax()) if wrong.any() else -1,
            )
        )
    return table


def harmonic_mean(base: float, novel: float) -> float:
    """Give 2 * base * novel / (base + novel), the summary of base-to-novel; 0 if both are 0."""
    for name, value in (('base', base), ('novel', novel)):
        if not math.isfinite(value) or value < 0:
            raise ValueError(f'{name} accuracy must be a number of 0 or more, got {value}')
    return 2 * base * novel / (base + novel) if base + novel else 0.0


def best_threshold(scores: np.ndarray, truth: np.ndarray) -> float | None:
    """Find the score from which on labels are best shown: the highest F1 over all N * K answers.

    It lies half-way between two neighbouring scores; of equally good ones it is the highest. None
    where no video of finite scores shows any class.
    """
    known = np.isfinite(scores).all(1)
    order = np.argsort(-scores[known], axis=None, kind='stable')
    values, hits = scores[known].ravel()[order], np.asarray(truth, bool)[known].ravel()[order]
    if not hits.any():
        return None
    found, shown = hits.cumsum(), np.arange(1, len(hits) + 1)
    f1 = 2 * found / (shown + hits.sum())
    f1[:-1][values[:-1] == values[1:]] = -1  # equal scores are shown together
    last = int(f1.argmax())
    following = values[last + 1] if last + 1 < len(values) else 0.0
    return float((values[last] + following) / 2)
