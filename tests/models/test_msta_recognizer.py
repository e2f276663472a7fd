"""The recognizer as MMAction2 uses it, and what training does and does not change."""

import pytest
import torch
from mmengine.optim import OptimWrapper

from projects.msta.descriptions import DescriptionError
from projects.msta.foundation import tokenize
from projects.msta.labels import LabelError
from projects.msta.models import msta_backbone
from tests.models.conftest import LABELS


def step(model, batch, steps=3, lr=1e-2):
    trained = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(torch.optim.AdamW(trained, lr=lr))
    model.train()
    return [model.train_step(batch, wrapper) for _ in range(steps)]


def test_train_step_lowers_the_loss_and_leaves_the_frozen_part_alone(build, batch, descriptions):
    model = build(descriptions=descriptions)
    model.init_weights()
    frozen = {k: v.clone() for k, v in model.backbone.foundation.state_dict().items()}
    logs = step(model, batch, steps=8)
    assert logs[-1]['loss'] < logs[0]['loss']
    assert logs[0]['loss_consistency'] > 0
    for name, value in model.backbone.foundation.state_dict().items():
        assert torch.equal(value, frozen[name]), name
    assert all(p.grad is None for p in model.backbone.foundation.parameters())


def test_the_three_modes(build, batch):
    model = build().eval()
    data = model.data_preprocessor(batch)
    with torch.no_grad():
        assert model(**data, mode='tensor', stage='backbone').shape == (6, 24)
        found = model(**data, mode='predict')
    assert len(found) == 2
    for sample in found:
        assert sample.pred_score.shape == (4,)
        assert sample.pred_score.sum().item() == pytest.approx(1, abs=1e-5)
        assert sample.pred_label.item() == sample.pred_score.argmax().item()
    assert set(model(**data, mode='loss')) >= {'loss_cls', 'top1_acc', 'top5_acc'}


def test_pixels_are_normalised_as_the_foundation_wants_them(build):
    model = build()
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx(
        [123.675, 116.28, 103.53], abs=1e-3
    )
    assert model.data_preprocessor.std.flatten().tolist() == pytest.approx(
        [58.395, 57.12, 57.375], abs=1e-3
    )


def scores(model, batch):
    model.eval()
    with torch.no_grad():
        return torch.stack([s.pred_score for s in model.test_step(batch)])


def test_class_embeddings_follow_the_adapters(build, batch):
    """The cached classes are dropped the moment a weight changes, whoever changes it."""
    model = build()
    first = scores(model, batch)
    assert torch.equal(first, scores(model, batch))
    step(model, batch, steps=1)
    second = scores(model, batch)
    assert not torch.equal(first, second)
    weight = model.backbone.adapter.pairs['2'].text.down.weight
    weight.data.add_(1.0)  # past autograd's version counter, as MMEngine's EMA hook writes
    with torch.no_grad():
        plain = model.backbone.encode_text(tokenize(['a video of eating.'], 32))
        assert torch.allclose(model.encode_classes()[3], plain[0], atol=1e-5)


def test_the_cached_text_path_equals_the_plain_one(build):
    model = build()
    tokens = tokenize([f'a video of {label}.' for label in LABELS], 32)
    foundation, adapter = model.backbone.foundation, model.backbone.adapter
    cached = model.encode_classes()
    plain = foundation.encode_text(tokens, adapter.text)
    assert torch.allclose(cached, plain, atol=2e-6)  # the same sums, in batches of other lengths
    ours, theirs = (
        torch.autograd.grad(x.square().sum(), list(adapter.pairs['2'].text.parameters()))
        for x in (cached, plain)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_many_classes_go_through_in_groups(build, monkeypatch):
    labels = ['eating', 'a long walk on the beach', 'swimming', 'a walk in the woods', 'hop']
    # In float64, where another order of the sums is far below what a wrong one would change.
    whole, parts = build(labels=labels).double(), build(labels=labels).double()
    parameters = [list(m.backbone.adapter.pairs['2'].text.parameters()) for m in (whole, parts)]
    expected = whole.encode_classes()
    monkeypatch.setattr(msta_backbone, 'TEXTS_AT_ONCE', 2)
    found = parts.encode_classes()
    assert [len(group.eot) for group in parts.classes.states()[0]] == [2, 2, 1]
    assert torch.allclose(found, expected, atol=1e-10)
    for a, b in zip(
        torch.autograd.grad(found.square().sum(), parameters[1]),
        torch.autograd.grad(expected.square().sum(), parameters[0]),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=1e-9)
    with torch.no_grad():
        assert torch.allclose(parts.encode_classes(), expected, atol=1e-10)


def test_order_of_classes_and_of_the_batch_does_not_matter(build, batch):
    model = build()
    straight = scores(model, batch)
    model.set_labels(LABELS[::-1])
    turned = {
        'inputs': batch['inputs'][::-1],
        'data_samples': batch['data_samples'][::-1],
    }
    assert torch.allclose(scores(model, turned).flip(0).flip(1), straight, atol=1e-6)


def test_other_labels_at_test_time(build, batch):
    model = build()
    model.set_labels(['knitting', 'archery'], template='a photo of {}.')
    assert scores(model, batch).shape == (2, 2)
    assert model.labels == ['knitting', 'archery']


def test_descriptions_are_targets_of_the_frozen_tower(build, descriptions):
    model = build(descriptions=descriptions)
    model.init_weights()
    targets = model._consistency_targets()
    texts = ['s one eating', 's two eating']
    with torch.no_grad():
        embeds = model.backbone.foundation.encode_text(tokenize(texts, 32))
    mean = torch.nn.functional.normalize(embeds, dim=-1).mean(0)
    assert torch.allclose(targets['spatial'][3], mean, atol=1e-6)
    assert not targets['spatial'].requires_grad
    assert model._consistency_targets()['spatial'] is targets['spatial']


def test_the_prompt_alone_is_a_target_without_descriptions(build, batch):
    model = build(cls_head={'type': 'ConsistencyHead', 'targets': ('template',)})
    model.init_weights()
    for parameter in model.backbone.adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.train()
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    frozen = model.classes.frozen_texts([f'a video of {label}.' for label in model.labels])
    moved = model.encode_classes()
    expected = (1 - torch.nn.functional.cosine_similarity(moved, frozen)).mean()
    assert expected > 1e-3
    torch.testing.assert_close(losses['loss_consistency'], expected)
    losses['loss_consistency'].backward()
    assert any(p.grad is not None and p.grad.any() for p in model.backbone.adapter.parameters())


def test_alpha_zero_needs_no_descriptions(build, batch):
    model = build(descriptions='/nowhere.json', cls_head={'type': 'ConsistencyHead', 'alpha': 0})
    model.init_weights()
    assert 'loss_consistency' not in step(model, batch, steps=1)[0]


def test_wrong_descriptions_stop_before_training(build, descriptions, tmp_path):
    model = build(descriptions=descriptions, labels=[*LABELS, 'one more'])
    with pytest.raises(DescriptionError, match=r'one more|5'):
        model.init_weights()
    with pytest.raises(DescriptionError, match=r'nowhere\.json'):
        build(descriptions=str(tmp_path / 'nowhere.json')).init_weights()


def test_bad_labels_and_templates_are_refused(build):
    with pytest.raises(LabelError, match='swimming'):
        build(labels=['swimming', 'swimming'])
    with pytest.raises(LabelError, match=r'\{\}'):
        build(template='a video.')


def test_frozen_foundation_alone(build, batch):
    model = build(backbone={'adapter': None})
    assert model.backbone.num_parameters()[0] == 0
    assert scores(model, batch).shape == (2, 4)
    zero = {'type': 'MSTAAdapter', 'blocks': (2, 3), 'dim': 8, 'scale': 0.0}
    assert torch.equal(scores(build(backbone={'adapter': zero}), batch), scores(model, batch))


def test_same_seed_same_training(build, batch):
    ends = []
    for _ in range(2):
        model = build(seed=3)
        step(model, batch, steps=3)
        ends.append(model.state_dict())
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())


def test_the_first_descriptions_alone(build, descriptions):
    model = build(descriptions=descriptions, num_descriptions=1)
    model.init_weights()
    with torch.no_grad():
        embeds = model.backbone.foundation.encode_text(tokenize(['t one eating'], 32))
    expected = torch.nn.functional.normalize(embeds, dim=-1)[0]
    assert torch.allclose(model._consistency_targets()['temporal'][3], expected, atol=1e-6)
    with pytest.raises(DescriptionError, match=r'holds 2 descriptions.*num_descriptions=3'):
        build(descriptions=descriptions, num_descriptions=3).init_weights()
    with pytest.raises(DescriptionError, match='at least 1'):
        build(descriptions=descriptions, num_descriptions=0)
