"""The metric on samples as the model gives them."""

import json

import pytest
import torch
from mmaction.registry import METRICS
from mmaction.structures import ActionDataSample

import projects.msta.register  # noqa: F401


def sample(scores, label, name='', error='', dtype=torch.float32) -> dict:
    data = ActionDataSample().set_gt_label(label).set_pred_score(torch.tensor(scores, dtype=dtype))
    data.set_metainfo(dict(filename=name, decode_error=error))
    return data.to_dict()


def evaluate(samples, size=None, **kwargs) -> dict:
    metric = METRICS.build(dict(type='MSTAMetric', **kwargs))
    half = len(samples) // 2
    metric.process(None, samples[:half])
    metric.process(None, samples[half:])
    return metric.evaluate(len(samples) if size is None else size)


def one_hot(index, num_classes=7):
    return [float(index == k) for k in range(num_classes)]


def test_by_hand():
    six = [0.3, 0.2, 0.15, 0.14, 0.11, 0.06, 0.04]
    values = evaluate(
        [sample(six, 0), sample(six, 0), sample(six, 4), sample(six, 5), sample(six, 1)]
    )
    assert values['acc/top1'] == pytest.approx(2 / 5)
    assert values['acc/top5'] == pytest.approx(4 / 5)
    assert values['acc/mean_class'] == pytest.approx(1 / 4)  # classes 0, 1, 4, 5
    assert values['acc/ece'] == pytest.approx(abs(0.4 - 0.3))
    assert values['acc/classes'] == 4
    counts = [values[f'acc/{key}'] for key in ('expected', 'decoded', 'failed')]
    assert counts == [5, 5, 0]
    assert 'acc/missing' not in values and 'acc/top1_decoded' not in values


def test_failed_videos_are_wrong_whatever_the_model_says():
    samples = [
        sample(one_hot(1), 1, 'a.mp4'),
        sample(one_hot(1), 1, 'b c.mp4', 'unreadable'),
        sample(one_hot(2), 2, 'd.mp4'),
        sample(one_hot(2), 1, 'e.mp4'),
    ]
    values = evaluate(samples)
    assert values['acc/top1'] == pytest.approx(2 / 4)
    assert values['acc/top5'] <= 3 / 4
    assert values['acc/top1_decoded'] == pytest.approx(2 / 3)
    assert values['acc/mean_class'] == pytest.approx((1 / 3 + 1) / 2)
    assert (values['acc/expected'], values['acc/decoded'], values['acc/failed']) == (4, 3, 1)


def test_videos_without_a_result_are_counted():
    values = evaluate([sample(one_hot(1), 1)] * 4, size=5)
    assert values['acc/missing'] == 1
    assert values['acc/top1'] == pytest.approx(4 / 5)


def test_padding_of_a_distributed_sampler_is_dropped():
    values = evaluate([sample(one_hot(1), 1)] * 4 + [sample(one_hot(1), 2)], size=4)
    assert values['acc/top1'] == 1.0 and values['acc/expected'] == 4


def test_top5_is_left_out_with_five_classes():
    values = evaluate([sample(one_hot(1, 5), 1)])
    assert 'acc/top5' not in values and values['acc/top1'] == 1.0


def test_bfloat16_and_logits():
    logits = [2.0, 1.0, -3.0]
    values = evaluate([sample(logits, 0, dtype=torch.bfloat16)] * 2)
    assert values['acc/top1'] == 1.0
    confidence = torch.tensor(logits).softmax(0)[0].item()
    assert values['acc/ece'] == pytest.approx(1 - confidence, abs=1e-6)


def test_scores_that_are_not_finite_are_wrong():
    values = evaluate([sample([float('nan'), 1.0, 0.0], 1), sample([0.0, 1.0, 0.0], 1)])
    assert values['acc/top1'] == pytest.approx(0.5)


def test_scores_that_are_not_finite_are_no_answer_in_the_table(tmp_path):
    out = tmp_path / 'report.json'
    samples = [sample([0.0, float('nan'), 0.0], 1), sample([0.0, 1.0, 0.0], 1)]
    values = evaluate(samples, out_file=str(out))
    report = json.loads(out.read_text())
    assert values['acc/top1'] == report['per_class'][1]['accuracy'] == pytest.approx(0.5)
    assert report['confusion'] == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_report_file(tmp_path):
    out = tmp_path / 'deep' / 'report.json'
    samples = [
        sample(one_hot(0, 3), 0, 'a.mp4'),
        sample(one_hot(2, 3), 0, 'b.mp4'),
        sample(one_hot(2, 3), 2, 'c.mp4', 'missing'),
    ]
    values = evaluate(samples, labels=['run', 'walk', 'sit'], out_file=str(out))
    report = json.loads(out.read_text())
    assert report['values']['top1'] == values['acc/top1']
    assert [row['name'] for row in report['per_class']] == ['run', 'walk', 'sit']
    assert [row['accuracy'] for row in report['per_class']] == [0.5, None, 0.0]
    assert report['confusion'] == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert report['failed'] == [{'video': 'c.mp4', 'reason': 'missing'}]
    assert [path.name for path in out.parent.iterdir()] == ['report.json']


@pytest.mark.parametrize(
    ('samples', 'kwargs', 'message'),
    [
        ([sample(one_hot(1, 3), 3, 'x.mp4')], {}, r'video x.mp4 has class 3, the model scores 3'),
        ([sample(one_hot(1, 3), -1)], {}, 'class -1'),
        ([sample(one_hot(1, 3), 1)], dict(labels=['a', 'b']), '2 class names, the model scores 3'),
        ([sample(one_hot(1, 3), 1, 'y.mp4', 'missing')], {}, r'none of the 1 test videos'),
    ],
)
def test_results_that_mean_nothing_are_refused(samples, kwargs, message):
    with pytest.raises(ValueError, match=message):
        evaluate(samples, **kwargs)


def test_bad_arguments():
    with pytest.raises(ValueError, match='topk and num_bins'):
        METRICS.build(dict(type='MSTAMetric', topk=(0,)))
