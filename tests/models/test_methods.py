"""Every method in the recognizer: train, save, resume; the origin stays the frozen foundation."""

import json

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from mmengine.runner.checkpoint import load_state_dict

from projects.msta.adapters import AdapterError
from projects.msta.foundation import build_foundation, save_foundation, tokenize
from projects.msta.models import CheckpointError
from tests.models.conftest import ARCH, LABELS

METHODS = {
    'AdaptFormer': {'dim': 8},
    'BitFit': {},
    'CoOp': {'context': 4},
    'FullFineTuning': {},
    'LinearProbe': {},
    'LoRA': {'rank': 4, 'towers': ('video', 'text')},
    'MMA': {'blocks': (2, 3), 'dim': 8},
    'MSTAAdapter': {'blocks': (2, 3), 'dim': 8},
    'STAdapter': {'dim': 8},
}
CHANGE_WEIGHTS = ('BitFit', 'FullFineTuning', 'LoRA')
every_method = pytest.mark.parametrize('name', METHODS)


@pytest.fixture
def make(build, tmp_path):
    """A recognizer on weights read from a file, with descriptions; another seed, other adapters."""
    torch.manual_seed(5)
    weights = tmp_path / 'weights.safetensors'
    save_foundation(build_foundation({'type': 'ViCLIP', 'arch': ARCH}), weights, torch.float32)
    pair = [tmp_path / f'2_{letter}_description.json' for letter in 'st']
    for path in pair:
        entries = {str(i): [f'{path.name[2]} {n}', f'one {n}'] for i, n in enumerate(LABELS)}
        path.write_text(json.dumps(entries))

    def method(name, seed=0, **changes):
        backbone = {
            'foundation': {'type': 'ViCLIP', 'arch': ARCH, 'checkpoint': str(weights)},
            'adapter': {'type': name, **METHODS[name]},
        }
        descriptions = [str(path) for path in pair]
        model = build(seed, backbone=backbone, descriptions=descriptions, **changes)
        model.init_weights()
        return model

    return method


def step(model, batch, steps=3):
    trained = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(torch.optim.AdamW(trained, lr=1e-2))
    model.train()
    for _ in range(steps):
        model.train_step(batch, wrapper)
    return model.eval()


@torch.no_grad()
def scores(model, batch):
    model.eval()
    return torch.stack([s.pred_score for s in model.test_step(batch)])


def trained_names(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


@every_method
def test_train_save_and_resume_into_a_fresh_model(make, name, batch, tmp_path):
    model = make(name)
    start, origin = scores(model, batch), model.backbone.foundation.fingerprint()
    targets = model._consistency_targets()
    step(model, batch)
    assert not torch.equal(scores(model, batch), start)
    assert model.backbone.foundation.fingerprint() == origin

    path = tmp_path / 'epoch_1.pth'
    torch.save(model.state_dict(), path)
    state = torch.load(path, weights_only=True)
    assert set(state) == trained_names(model) | {'backbone._extra_state', '_extra_state'}
    assert json.loads(bytes(state['backbone._extra_state'].tolist()))['fingerprint'] == origin

    fresh = make(name, seed=1)
    load_state_dict(fresh, state, strict=True)
    assert torch.equal(scores(fresh, batch), scores(model, batch))
    assert fresh.backbone.fingerprint == origin
    for target, value in fresh._consistency_targets().items():
        assert torch.equal(value, targets[target])  # of the frozen tower, after loading as before
    # Training goes on from there: the optimizer holds the same parameters, the loss is finite.
    step(fresh, batch, steps=1)
    assert not torch.equal(scores(fresh, batch), scores(model, batch))


@every_method
def test_checkpoints_are_verified(make, build, name):
    model = make(name)
    state = model.state_dict()
    other = build(3, backbone={'adapter': {'type': name, **METHODS[name]}})
    with pytest.raises(CheckpointError, match='trained on another foundation'):
        other.load_state_dict(state)
    key = sorted(set(state) - {'backbone._extra_state', '_extra_state'})[0]
    with pytest.raises(CheckpointError, match=f'missing {key}'):
        load_state_dict(model, {k: v for k, v in state.items() if k != key})
    another = 'CoOp' if name != 'CoOp' else 'BitFit'
    with pytest.raises(CheckpointError, match=f"'type': '{another}'"):
        load_state_dict(model, make(another).state_dict())


@every_method
def test_the_frozen_branch_is_the_untouched_foundation(make, name, batch):
    """Whenever it is asked: before training, after it, and for labels set later."""
    model = make(name)
    tokens = tokenize(['a person brushes hair'], 32)
    before = model.backbone.encode_text_frozen(tokens)
    step(model, batch)
    assert torch.equal(model.backbone.encode_text_frozen(tokens), before)
    model.set_labels(LABELS[::-1])
    late = model._consistency_targets()['spatial']
    early = make(name)._consistency_targets()['spatial']
    assert torch.allclose(late, early.flip(0), atol=1e-6)  # each class keeps its own texts


@every_method
def test_the_cached_text_path_equals_the_plain_one(make, name, batch):
    model = step(make(name), batch)
    tokens = tokenize([f'a video of {label}.' for label in LABELS], 32)
    with torch.no_grad():
        cached = model.encode_classes()
        assert torch.equal(model.encode_classes(), cached)
        one_by_one = torch.cat([model.backbone.encode_text(row[None]) for row in tokens])
    assert torch.allclose(cached, one_by_one, atol=5e-6)


@every_method
def test_moving_averages_hold_what_a_checkpoint_holds(make, name, batch):
    """MMEngine's EMA copies the model, and its hook exchanges the two state dicts key by key."""
    model = make(name)
    average = ExponentialMovingAverage(model, momentum=0.5)
    step(model, batch)
    average.update_parameters(model)
    step(model, batch)
    average.update_parameters(model)
    keys = {k.removeprefix('module.') for k in average.state_dict() if k.startswith('module.')}
    assert keys == set(model.state_dict())
    assert average.module.backbone.foundation.fingerprint() == model.backbone.fingerprint
    assert not torch.equal(scores(average.module, batch), scores(model, batch))


@pytest.mark.parametrize('name', CHANGE_WEIGHTS)
def test_merging_on_request(make, name, batch):
    model = step(make(name), batch)
    backbone = model.backbone
    origin, plain = backbone.fingerprint, scores(model, batch)
    (tokens,) = model.classes.current.tokens
    frozen = backbone.encode_text_frozen(tokens)
    state = model.state_dict()
    backbone.merge_adapter()
    model.set_labels(LABELS)  # nothing kept from before
    assert torch.allclose(scores(model, batch), plain, atol=1e-5)
    assert backbone.fingerprint == origin == backbone.foundation.fingerprint()
    assert backbone.merged.fingerprint() != origin
    assert torch.equal(backbone.encode_text_frozen(tokens), frozen)
    assert set(model.state_dict()) == set(state)
    backbone.unmerge_adapter()
    model.set_labels(LABELS)
    assert torch.equal(scores(model, batch), plain)


def test_what_dropout_made_of_the_classes_is_not_kept(make):
    model = make('AdaptFormer')
    for parameter in model.backbone.adapter.parameters():
        torch.nn.init.normal_(parameter)
    with torch.no_grad():
        noisy = model.train().encode_classes()
        assert not torch.equal(noisy, model.encode_classes())
        still = model.eval().encode_classes()
        assert torch.equal(still, model.encode_classes()) and not torch.equal(still, noisy)


def test_merged_weights_do_not_outlive_training_or_loading(make, batch):
    model = step(make('LoRA'), batch)
    other = step(make('LoRA', seed=1), batch, steps=5)
    model.backbone.merge_adapter()
    model.load_state_dict(other.state_dict())
    assert model.backbone.merged is None
    assert torch.equal(scores(model, batch), scores(other, batch))
    model.backbone.merge_adapter()
    model.eval()
    assert model.backbone.merged is not None
    model.train()
    assert model.backbone.merged is None


@pytest.mark.parametrize('name', sorted(set(METHODS) - set(CHANGE_WEIGHTS)))
def test_methods_that_add_layers_are_not_merged(make, name):
    with pytest.raises(AdapterError, match=f'{name} does not change the weights'):
        make(name).backbone.merge_adapter()
