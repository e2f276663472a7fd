"""'None of these': the rule, its calibration, its file."""

import numpy as np
import pytest

from projects.msta.inference.rejection import Rejection, RejectionError, calibrate, read_rejection


def test_a_threshold_looks_at_the_best_and_a_margin_at_the_lead():
    cosines = np.array([[0.30, 0.10], [0.30, 0.29], [0.05, 0.01]])
    assert Rejection('threshold', 0.2).rejects(cosines).tolist() == [False, False, True]
    assert Rejection('margin', 0.1).rejects(cosines).tolist() == [False, True, True]
    with pytest.raises(RejectionError, match='two labels'):
        Rejection('margin', 0.1).rejects(cosines[:, :1])


def test_known_videos_alone_keep_the_share_asked_for():
    best = np.linspace(0.1, 0.5, 100)
    cosines = np.stack([best, best - 0.3], axis=1)
    for keep in (0.5, 0.9, 1.0):
        found = calibrate(cosines, keep=keep)
        assert (~found.rejection.rejects(cosines)).mean() == pytest.approx(keep)
        assert found.known_kept == pytest.approx(keep, abs=0.03)


def test_separable_videos_are_separated_and_the_curve_is_full():
    known, unknown = np.array([[0.4], [0.3]]), np.array([[0.1], [0.2]])
    found = calibrate(known, unknown)
    assert found.auroc == 1 and not found.useless
    assert found.rejection.value == pytest.approx(0.25)
    assert (found.known_kept, found.unknown_rejected) == (None, None)  # too few to hold any out


def test_no_value_does_better_than_the_rule():
    rng = np.random.default_rng(3)
    known, unknown = rng.normal(0.4, 0.1, (60, 3)), rng.normal(0.3, 0.1, (50, 3))
    for method in ('threshold', 'margin'):
        rule = calibrate(known, unknown, method).rejection
        best = (~rule.rejects(known)).mean() + rule.rejects(unknown).mean()
        for value in np.linspace(-0.5, 1, 301):
            other = Rejection(method, float(value))
            total = (~other.rejects(known)).mean() + other.rejects(unknown).mean()
            assert total <= best + 1e-12


def test_rates_are_of_videos_that_the_rule_has_not_seen():
    """Where there is nothing to tell apart, rules fitted to chance look good on their own videos.

    Held out, the two rates sum to one, on average over many draws.
    """
    sums, fitted = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        known, unknown = rng.normal(0.3, 0.1, (20, 3)), rng.normal(0.3, 0.1, (20, 3))
        found = calibrate(known, unknown)
        sums.append(found.known_kept + found.unknown_rejected)
        rule = found.rejection
        fitted.append((~rule.rejects(known)).mean() + rule.rejects(unknown).mean())
    assert np.mean(fitted) > 1.15
    assert np.mean(sums) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(('gap', 'useless'), [(0.0, True), (0.2, False)])
def test_a_rule_that_tells_nothing_is_called_so(gap, useless):
    rng = np.random.default_rng(5)
    known, unknown = rng.normal(0.3 + gap, 0.1, (30, 3)), rng.normal(0.3, 0.1, (30, 3))
    assert calibrate(known, unknown).useless is useless


def test_the_file_reads_back_and_others_are_refused(tmp_path):
    rule = Rejection('margin', 0.0625)
    rule.save(tmp_path / 'rule.json')
    assert read_rejection(tmp_path / 'rule.json') == rule
    (tmp_path / 'other.json').write_text('{"method": "margin"}')
    with pytest.raises(RejectionError, match=r'calibrate\.py'):
        read_rejection(tmp_path / 'other.json')
    (tmp_path / 'other.json').write_text('{"method": "luck", "value": 1}')
    with pytest.raises(RejectionError, match='luck'):
        read_rejection(tmp_path / 'other.json')


@pytest.mark.parametrize('keep', [0, 1.5])
def test_a_share_must_be_possible(keep):
    with pytest.raises(RejectionError, match='share'):
        calibrate(np.ones((2, 2)), keep=keep)
