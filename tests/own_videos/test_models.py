"""What a learning rate gave on held-out training clips."""

from types import SimpleNamespace

import numpy as np
import pytest

from projects.msta import compat

compat.apply()

from projects.msta.own_videos.models import Trial, _measured, best_trial  # noqa: E402

CLIPS = [SimpleNamespace(label=0), SimpleNamespace(label=1)]


def test_a_rate_that_diverged_is_never_the_best():
    good = np.array([[0.6, 0.4], [0.7, 0.3]])
    for lost in (np.full((2, 2), np.nan), np.array([[0.9, 0.1], [np.nan, np.nan]])):
        trials = [Trial(0.01, *_measured(lost, CLIPS, False))]
        trials += [Trial(0.03, *_measured(good, CLIPS, False))]
        assert best_trial(trials).rate == 0.03


def test_the_loss_is_of_the_true_class():
    value, loss, _ = _measured(np.array([[0.5, 0.5], [0.2, 0.8]]), CLIPS, False)
    assert value == pytest.approx(1) and loss == pytest.approx(-np.log(0.5 * 0.8) / 2)
