"""The head's losses and scores, by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

import projects.msta.register  # noqa: F401


def head(**options):
    return MODELS.build({'type': 'ConsistencyHead', **options})


def samples(*labels):
    return [ActionDataSample().set_gt_label(label) for label in labels]


SCALE = torch.tensor(10.0)
VIDEO = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
CLASSES = torch.tensor([[5.0, 0.0], [0.0, 1.0]])


def test_scores_are_scaled_cosines():
    assert torch.allclose(
        head()((VIDEO, CLASSES, SCALE)), torch.tensor([[6.0, 8.0], [0.0, 10.0]]), atol=1e-5
    )
    fixed = head(logit_scale=100)
    assert torch.allclose(fixed((VIDEO, CLASSES, SCALE))[0], torch.tensor([60.0, 80.0]), atol=1e-4)


def test_cross_entropy_and_consistency_by_hand():
    spatial = torch.tensor([[1.0, 0.0], [3.0, 4.0]])  # cosines with the classes: 1, 0.8
    temporal = torch.tensor([[0.0, 1.0], [0.0, -2.0]])  # 0, -1
    losses = head(alpha=0.5).loss(
        (VIDEO, CLASSES, SCALE), samples(0, 1), targets={'spatial': spatial, 'temporal': temporal}
    )
    cross_entropy = (math.log(1 + math.exp(2)) + math.log(1 + math.exp(-10))) / 2
    assert losses['loss_cls'].item() == pytest.approx(cross_entropy, abs=1e-5)
    # A tenth is spread over two classes: 0.05 times (6 - 8) and (10 - 0), how far they are apart.
    smoothed = head(label_smooth_eps=0.1).loss((VIDEO, CLASSES, SCALE), samples(0, 1))
    assert smoothed['loss_cls'].item() == pytest.approx(cross_entropy + 0.2, abs=1e-5)
    # Mean over the two classes of 2 - cos_s - cos_t: (2 - 1 - 0 + 2 - 0.8 + 1) / 2.
    assert losses['loss_consistency'].item() == pytest.approx(0.5 * (1.0 + 2.2) / 2, abs=1e-5)


@pytest.mark.parametrize(('names', 'expected'), [(('spatial',), 0.1), (('temporal',), 1.5)])
def test_one_target_alone(names, expected):
    targets = {
        'spatial': torch.tensor([[1.0, 0.0], [3.0, 4.0]]),
        'temporal': torch.tensor([[0.0, 1.0], [0.0, -2.0]]),
    }
    found = head(targets=names).consistency(CLASSES, targets)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_without_targets_there_is_only_cross_entropy():
    losses = head().loss((VIDEO, CLASSES, SCALE), samples(0, 1), targets=None)
    assert 'loss_consistency' not in losses and 'loss_cls' in losses


def test_views_are_averaged_after_the_softmax():
    views = torch.tensor([[3.0, 4.0], [0.0, 2.0]])  # two views of one video
    (found,) = head().predict((views, CLASSES, SCALE), samples(0))
    scores = torch.stack([torch.tensor([6.0, 8.0]), torch.tensor([0.0, 10.0])]).softmax(1).mean(0)
    assert torch.allclose(found.pred_score, scores, atol=1e-6)
    assert found.pred_label.item() == 1


def test_logits_stay_in_float32_under_autocast():
    with torch.autocast('cpu', torch.bfloat16):
        scores = head()((VIDEO.bfloat16(), CLASSES.bfloat16(), SCALE))
    assert scores.dtype == torch.float32
    assert torch.allclose(scores, torch.tensor([[6.0, 8.0], [0.0, 10.0]]), atol=1e-5)


@pytest.mark.parametrize('options', [{'alpha': -1}, {'targets': ()}, {'targets': ('scenic',)}])
def test_bad_settings_are_named(options):
    with pytest.raises(ValueError, match='ConsistencyHead'):
        head(**options)


def several(*labels):
    return [ActionDataSample().set_gt_label(torch.tensor(row)) for row in labels]


def test_the_loss_of_several_labels_is_torchs():
    truth = [[1.0, 1.0], [0.0, 1.0]]
    made = head(multi_class=True, logit_bias=-7.5, alpha=0.5, targets=('spatial',))
    spatial = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    losses = made.loss((VIDEO, CLASSES, SCALE), several(*truth), targets={'spatial': spatial})
    logits = torch.tensor([[6.0, 8.0], [0.0, 10.0]]) - 7.5
    expected = F.binary_cross_entropy_with_logits(logits, torch.tensor(truth))
    assert losses['loss_cls'].item() == pytest.approx(expected.item(), abs=1e-5)
    assert losses['loss_consistency'].item() == pytest.approx(0.5 * 0.1, abs=1e-5)  # as ever
    (one,) = made.loss((VIDEO, CLASSES[:1], SCALE), several([1.0], [0.0])).values()
    expected = F.binary_cross_entropy_with_logits(logits[:, :1], torch.tensor([[1.0], [0.0]]))
    assert one.item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_bias_of_a_first_batch_makes_the_mean_logit_the_log_odds():
    made = head(multi_class=True)
    made.loss((VIDEO, CLASSES, SCALE), several([1.0, 0.0], [0.0, 0.0]))
    mean = made((VIDEO, CLASSES, SCALE)).mean().item()
    assert mean == pytest.approx(math.log(1.5 / 3.5), abs=1e-5)
    bias = made.logit_bias
    made.loss((VIDEO, CLASSES, SCALE), several([1.0, 1.0], [1.0, 1.0]))
    assert made.logit_bias == bias
    assert torch.allclose(
        made.cosines(made((VIDEO, CLASSES, SCALE)), SCALE), torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    )


def test_views_are_averaged_after_the_sigmoid():
    made = head(multi_class=True, logit_bias=-6.0)
    (found,) = made.predict((VIDEO, CLASSES, SCALE), several([0.0, 0.0]))
    expected = torch.tensor([[0.0, 2.0], [-6.0, 4.0]]).sigmoid().mean(0)
    assert torch.allclose(found.pred_score, expected, atol=1e-6)


def test_labels_are_shown_from_the_threshold_on():
    scores = np.array([0.4, 0.9, 0.6])
    assert head().shown(scores) is None
    assert head(multi_class=True).shown(scores) is None  # no bias: these are no probabilities
    made = head(multi_class=True, logit_bias=-6.0)
    assert made.shown(scores) == [1, 2]
    made.set_threshold(0.95)
    assert made.shown(scores) == []
    for wrong, words in ((made, 'between 0 and 1'), (head(), 'gives a video one label')):
        with pytest.raises(ValueError, match=words):
            wrong.set_threshold(1.5)


def test_labels_of_the_other_kind_are_named():
    with pytest.raises(ValueError, match='needs a data set with multi_class=True'):
        head(multi_class=True).loss((VIDEO, CLASSES, SCALE), samples(0, 1))
    with pytest.raises(ValueError, match='changes nothing in a softmax'):
        head(logit_bias=-1.0)
