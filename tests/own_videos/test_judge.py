"""Intervals have the coverage they claim."""

import numpy as np
import pytest
from scipy.stats import binomtest

from projects.msta.own_videos.judge import paired_gain, rate, right_answers


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
