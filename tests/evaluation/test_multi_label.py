"""Average precision and thresholds of videos with several labels."""

import json

import numpy as np
import pytest
import torch
from mmaction.registry import METRICS
from mmaction.structures import ActionDataSample

import projects.msta.register  # noqa: F401
from projects.msta.evaluation import best_threshold
from projects.msta.evaluation.multi_label import average_precisions

SCORES = np.array([[0.9, 0.1, 0.3], [0.8, 0.7, 0.2], [0.4, 0.6, 0.1], [0.2, 0.5, 0.4]])
TRUTH = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]])


def sample(scores, truth, name='', error=''):
    data = ActionDataSample().set_gt_label(torch.tensor(truth, dtype=torch.float32))
    data.set_pred_score(torch.tensor(scores, dtype=torch.float32))
    data.set_metainfo(dict(filename=name, decode_error=error))
    return data.to_dict()


def evaluate(kind, samples, **options):
    metric = METRICS.build(dict(type=kind, **options))
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def by_hand(scores, truth):
    """Mean over the true videos of the precision at their rank; no two scores are equal."""
    hits = truth[np.argsort(-scores)]
    return (hits.cumsum() / np.arange(1, len(hits) + 1))[hits == 1].mean()


def test_average_precision_by_hand():
    found = average_precisions(SCORES, TRUTH)
    assert found[:2] == pytest.approx([(1 + 2 / 3) / 2, (1 + 2 / 3) / 2]) and np.isnan(found[2])
    rng = np.random.default_rng(0)
    scores, truth = rng.random((50, 4)), rng.integers(0, 2, (50, 4))
    expected = [by_hand(scores[:, k], truth[:, k]) for k in range(4)]
    assert average_precisions(scores, truth) == pytest.approx(expected)


def test_the_mean_is_mmaction2s(tmp_path):
    samples = [sample(*row) for row in zip(SCORES.tolist(), TRUTH.tolist(), strict=True)]
    out = tmp_path / 'report.json'
    values = evaluate('MultiLabelMetric', samples, labels=['run', 'far', 'sit'], out_file=str(out))
    theirs = evaluate('AccMetric', samples, metric_list=('mean_average_precision',))
    assert values['acc/mAP'] == pytest.approx(theirs['acc/mean_average_precision'])
    assert values['acc/classes'] == 2 and values['acc/decoded'] == 4
    table = json.loads(out.read_text())['per_class']
    assert [row['videos'] for row in table] == [2, 2, 0] and table[2]['ap'] is None


def test_a_video_that_failed_is_ranked_last():
    rows = [[*row] for row in zip(SCORES.tolist(), TRUTH.tolist(), strict=True)]
    samples = [sample(*rows[0], 'a.mp4', 'unreadable'), *(sample(*row) for row in rows[1:])]
    values = evaluate('MultiLabelMetric', samples)
    # 'run': the second of three readable videos, and the failed one, the last of four.
    assert values['acc/mAP'] == pytest.approx(((1 / 2 + 2 / 4) / 2 + (1 + 2 / 3) / 2) / 2)
    assert values['acc/failed'] == 1


@pytest.mark.parametrize(
    ('samples', 'options', 'words'),
    [
        ([sample([0.1, 0.2], [1])], {}, 'needs a data set with multi_class=True'),
        ([sample([0.1, 0.2], [1, 0])], {'labels': ['a']}, '1 class names, the model scores 2'),
        ([sample([0.1], [1], 'x.mp4', 'missing')], {}, 'none of the 1 test videos'),
        ([sample([0.1, 0.2], [0, 0])], {}, 'none of the 1 test videos shows any class'),
    ],
)
def test_what_cannot_be_measured_is_said(samples, options, words):
    with pytest.raises(ValueError, match=words):
        evaluate('MultiLabelMetric', samples, **options)


def test_no_other_threshold_has_a_higher_f1():
    rng = np.random.default_rng(1)
    truth = rng.random((40, 3)) < 0.3
    scores = (truth + rng.random((40, 3))).round(1) / 2  # with many equal ones
    scores[5] = np.nan

    def f1(threshold):
        shown = scores >= threshold
        known = np.isfinite(scores[:, 0])
        hits = (shown & truth)[known].sum()
        return 2 * hits / (shown[known].sum() + truth[known].sum())

    found = best_threshold(scores, truth)
    assert f1(found) == pytest.approx(max(f1(t) for t in np.linspace(0, 1, 401)))
    assert best_threshold(scores, np.zeros_like(truth)) is None
