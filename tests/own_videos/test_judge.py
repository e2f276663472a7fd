"""Intervals have the coverage they claim."""

import numpy as np
import pytest
from scipy.stats import binomtest

from projects.msta.evaluation.multi_label import average_precisions
from projects.msta.own_videos.judge import (
    drawn_precisions,
    mean_precisions,
    paired_gain,
    rate,
    right_answers,
)


@pytest.mark.parametrize(('right', 'count'), [(0, 5), (3, 5), (36, 36), (150, 202)])
def test_rates_have_wilsons_interval(right, count):
    found = rate(np.arange(count) < right)
    expected = binomtest(right, count).proportion_ci(method='wilson')
    assert found.value == pytest.approx(100 * right / count)
    assert (found.low, found.high) == pytest.approx((100 * expected.low, 100 * expected.high))


def test_clips_that_failed_are_wrong():
    scores = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]])
    assert right_answers(scores, np.array([0, 0, 0])).tolist() == [True, False, False]


def test_gain_is_resampled_by_recording():
    rng = np.random.default_rng(0)
    groups = [f'g{number // 10}' for number in range(200)]
    of_group = rng.random(20) < 0.5  # all clips of a recording go the same way
    after = np.repeat(of_group, 10)
    before = np.zeros(200, bool)
    clustered = paired_gain(before, after, groups)
    single = paired_gain(before, after, [str(n) for n in range(200)])
    assert clustered.value == single.value == pytest.approx(100 * after.mean())
    assert clustered.high - clustered.low > 2 * (single.high - single.low)
    assert paired_gain(after, after, groups).value == 0


def test_precisions_of_draws_are_those_of_repeated_clips():
    rng = np.random.default_rng(2)
    scores, truth = rng.random((30, 4)).round(1), rng.random((30, 4)) < 0.4  # with equal ones
    scores[3] = np.nan  # a clip that could not be read
    times = rng.integers(0, 3, (5, 30))
    found = drawn_precisions(scores, truth, times)
    for row, counts in zip(found, times, strict=True):
        repeated = np.repeat(np.arange(30), counts)
        expected = average_precisions(scores[repeated], truth[repeated])  # by MMAction2
        assert row == pytest.approx(expected)


def test_mean_precision_has_an_interval_over_recordings():
    truth = np.eye(3, dtype=bool)[np.arange(60) % 3]
    groups = [f'g{number // 6}' for number in range(60)]
    noise = np.random.default_rng(3).random((60, 3))
    before, after, gain = mean_precisions(noise, truth + 0.5 * noise, truth, groups)
    assert before.low < before.value < before.high < after.low
    assert after.value == pytest.approx(100)
    assert gain.value == pytest.approx(after.value - before.value) and gain.low > 0
