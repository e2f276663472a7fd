"""Measures against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.msta.evaluation import (
    confusion_matrix,
    expected_calibration_error,
    harmonic_mean,
    mean_class_accuracy,
    per_class,
    ranks,
)


def test_ranks_ties_and_scores_that_are_not_finite():
    scores = np.array(
        [
            [0.1, 0.7, 0.2],  # true 1: first
            [0.1, 0.7, 0.2],  # true 0: last
            [0.5, 0.5, 0.0],  # true 1: second of two equal ones
            [0.5, 0.5, 0.0],  # true 0: first of two equal ones
            [np.nan, 0.5, 0.0],
            [0.0, np.inf, 0.0],
        ]
    )
    assert ranks(scores, np.array([1, 0, 1, 0, 1, 1])).tolist() == [0, 2, 1, 0, 3, 3]


@given(st.integers(2, 8), st.integers(0, 1000))
def test_rank_zero_is_argmax(num_classes, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (20, num_classes)) / 4
    labels = rng.integers(0, num_classes, 20)
    assert np.array_equal(ranks(scores, labels) == 0, scores.argmax(1) == labels)


def test_mean_class_accuracy_leaves_absent_classes_out():
    labels = np.array([0, 0, 0, 0, 3, 3])
    correct = np.array([1, 1, 1, 0, 1, 0], bool)
    assert mean_class_accuracy(correct, labels) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_calibration_error_by_hand():
    # Two bins of (0, .5] and (.5, 1]: confidences .4 (wrong), .5 (right) | .9 (right), .7 (wrong).
    probabilities = np.array([[0.4, 0.3, 0.3], [0.5, 0.3, 0.2], [0.9, 0.1, 0.0], [0.7, 0.2, 0.1]])
    labels = np.array([1, 0, 0, 2])
    by_hand = 0.5 * abs(0.5 - 0.45) + 0.5 * abs(0.5 - 0.8)
    assert expected_calibration_error(probabilities, labels, num_bins=2) == pytest.approx(by_hand)


def test_calibration_error_of_a_calibrated_and_a_certain_model():
    calibrated = np.tile([0.75, 0.25], (4, 1))
    assert expected_calibration_error(calibrated, np.array([0, 0, 0, 1])) == pytest.approx(0)
    certain = np.tile([1.0, 0.0], (4, 1))
    assert expected_calibration_error(certain, np.array([1, 1, 1, 0])) == pytest.approx(0.75)


def test_confusion_matrix_and_table():
    labels = np.array([0, 0, 0, 2, 2])
    predicted = np.array([0, 2, -1, 2, 1])
    failed = np.array([False, False, True, False, False])
    assert confusion_matrix(predicted, labels, 3).tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 1]]
    first, absent, last = per_class(predicted, labels, failed, ['a', 'b', 'c'])
    assert (first.videos, first.correct, first.failed, first.confused_with) == (3, 1, 1, 2)
    assert first.accuracy == pytest.approx(1 / 3)
    assert (absent.videos, absent.accuracy, absent.confused_with) == (0, None, -1)
    assert (last.accuracy, last.confused_with) == (0.5, 1)


def test_harmonic_mean_gives_the_published_numbers():
    # Base and novel means of the authors' logs, and the HM they give.
    assert harmonic_mean(77.5, 57.0) == pytest.approx(65.7, abs=0.05)
    assert harmonic_mean(96.0, 73.0) == pytest.approx(82.9, abs=0.05)
    assert harmonic_mean(77.2, 65.9) == pytest.approx(71.1, abs=0.05)
    assert harmonic_mean(21.5, 14.9) == pytest.approx(17.6, abs=0.05)
    assert harmonic_mean(0, 0) == 0
    for bad in (-1, float('nan'), float('inf')):
        with pytest.raises(ValueError, match='novel accuracy'):
            harmonic_mean(50, bad)
