"""Weights in and out: what a checkpoint holds, and what is refused."""

import copy
import json

import pytest
import torch
from mmengine.runner.checkpoint import get_state_dict, load_state_dict

from projects.msta.foundation import FoundationError, build_foundation, save_foundation
from projects.msta.models import CheckpointError, belonging
from tests.models.conftest import ARCH


def adapter_of(model):
    return {name: p.detach().clone() for name, p in model.backbone.adapter.named_parameters()}


def test_a_checkpoint_holds_the_adapters_and_their_foundations_name(build):
    model = build()
    state = model.state_dict()
    extra = state.pop('backbone._extra_state')
    assert json.loads(bytes(state.pop('_extra_state').tolist()))['labels'] == model.labels
    assert set(state) == {f'backbone.adapter.{name}' for name in adapter_of(model)}
    facts = json.loads(bytes(extra.tolist()))
    assert facts['fingerprint'] == model.backbone.fingerprint
    assert facts['adapter']['dim'] == 8
    carried = {'backbone._extra_state', '_extra_state'}
    assert set(get_state_dict(model)) == {*state, *carried}  # MMEngine's own way


@pytest.mark.parametrize('load', ['torch', 'mmengine'])
def test_it_loads_into_a_model_on_the_same_foundation(build, load, tmp_path):
    model = build()
    with torch.no_grad():
        for parameter in model.backbone.adapter.parameters():
            parameter.normal_()
    torch.save(model.state_dict(), tmp_path / 'x.pth')
    state = torch.load(tmp_path / 'x.pth', weights_only=True)
    twin = build()
    if load == 'torch':
        twin.load_state_dict(state, strict=True)
    else:
        load_state_dict(twin, state, strict=True)
    for name, value in adapter_of(twin).items():
        assert torch.equal(value, adapter_of(model)[name])
    assert twin.backbone.foundation.fingerprint() == model.backbone.fingerprint


def test_another_foundation_is_refused_before_anything_is_loaded(build):
    state, other = build(seed=0).state_dict(), build(seed=1)
    before = adapter_of(other)
    with pytest.raises(CheckpointError, match='trained on another foundation'):
        other.load_state_dict(state)
    assert all(torch.equal(before[name], value) for name, value in adapter_of(other).items())


def refuse(build, state, words):
    model = build()
    before = adapter_of(model)
    with pytest.raises(CheckpointError, match=words):
        load_state_dict(model, state, strict=False)  # as the Runner does
    assert all(torch.equal(before[name], value) for name, value in adapter_of(model).items())


def test_foreign_damaged_and_misfitting_checkpoints_are_refused(build):
    whole = build().state_dict()
    key = 'backbone.adapter.pairs.2.video.down.weight'
    refuse(build, {'fc.weight': torch.zeros(1)}, 'not a checkpoint of this project')
    extra = 'backbone._extra_state'
    refuse(build, {**whole, extra: torch.zeros(4, dtype=torch.uint8)}, 'damaged')
    refuse(build, {k: v for k, v in whole.items() if k != key}, f'missing {key}')
    refuse(build, {**whole, 'backbone.adapter.extra': torch.zeros(1)}, 'unknown backbone.adapter')
    refuse(build, {**whole, key: torch.zeros(2, 2)}, r'is \(2, 2\), expected \(8, 32\)')
    refuse(build, {**whole, key: torch.full((8, 32), float('nan'))}, 'NaN or infinity')


def test_adapters_of_another_size_are_named(build):
    backbone = build().backbone
    adapter = {**backbone.adapter_cfg, 'dim': 4}
    with pytest.raises(CheckpointError, match=r"'dim': 8.*'dim': 4|'dim': 4.*'dim': 8"):
        build(backbone={'adapter': adapter}).load_state_dict(build().state_dict())


def test_foundation_weights_are_read_by_init_weights_once(build, tmp_path):
    torch.manual_seed(5)
    stored = build_foundation({'type': 'ViCLIP', 'arch': ARCH})
    path = tmp_path / 'weights.safetensors'
    save_foundation(stored, path, torch.float32)
    model = build(
        backbone={'foundation': {'type': 'ViCLIP', 'arch': ARCH, 'checkpoint': str(path)}}
    )
    assert model.backbone.fingerprint != stored.fingerprint()
    model.init_weights()
    assert model.backbone.fingerprint == stored.fingerprint()
    path.unlink()
    model.init_weights()


def test_loading_a_checkpoint_reads_the_foundation_first(build, tmp_path):
    path = tmp_path / 'weights.safetensors'
    save_foundation(build_foundation({'type': 'ViCLIP', 'arch': ARCH}), path, torch.float32)
    foundation = {'type': 'ViCLIP', 'arch': ARCH, 'checkpoint': str(path)}
    trained = build(seed=1, backbone={'foundation': foundation})
    trained.init_weights()
    fresh = build(seed=2, backbone={'foundation': foundation})
    fresh.load_state_dict(trained.state_dict())
    assert fresh.backbone.fingerprint == trained.backbone.fingerprint


def test_missing_weights_build_but_do_not_start(build):
    foundation = {'type': 'ViCLIP', 'arch': ARCH, 'checkpoint': '/nowhere/x.pth'}
    model = build(backbone={'foundation': foundation})
    with pytest.raises(FileNotFoundError, match=r'foundation weights not found: /nowhere/x\.pth'):
        model.init_weights()


def test_weights_of_another_architecture_are_named(build, tmp_path):
    path = tmp_path / 'weights.safetensors'
    save_foundation(build_foundation({'type': 'ViCLIP', 'arch': ARCH}), path)
    arch = {**ARCH, 'layers': 4}
    model = build(
        backbone={'foundation': {'type': 'ViCLIP', 'arch': arch, 'checkpoint': str(path)}}
    )
    with pytest.raises(FoundationError, match='layers: 4 != 3'):
        model.init_weights()
    with pytest.raises(FoundationError, match='its keys: type, arch, checkpoint'):
        build(backbone={'foundation': {'type': 'ViCLIP'}})


def test_the_sign_of_zeros_does_not_matter_and_files_that_hashed_it_still_load(build):
    model = build()
    weight = model.backbone.foundation.visual.conv1.weight
    with torch.no_grad():
        weight.view(-1)[:5] = -0.0
        weight.view(-1)[5] = 0.0
    state = model.state_dict()
    old = model.backbone.foundation.fingerprint(signed_zeros=True)
    assert old != model.backbone.fingerprint
    facts = json.loads(bytes(state['backbone._extra_state'].tolist()))
    facts['fingerprint'] = old
    extra = torch.tensor(list(json.dumps(facts).encode()), dtype=torch.uint8)
    model.load_state_dict({**state, 'backbone._extra_state': extra})
    with torch.no_grad():
        weight.abs_()  # -0.0 -> 0.0, and other values too
    model.backbone._fingerprint = None
    with pytest.raises(CheckpointError, match='trained on another foundation'):
        model.load_state_dict(state)
    with torch.no_grad():
        weight.view(-1)[6:] = 0.0
    positive = model.backbone.foundation.fingerprint()
    with torch.no_grad():
        weight.view(-1)[:7] = -0.0
    assert model.backbone.foundation.fingerprint() == positive


def test_a_copy_made_before_the_weights_are_read_has_them(build, tmp_path):
    path = tmp_path / 'weights.safetensors'
    stored = build_foundation({'type': 'ViCLIP', 'arch': ARCH})
    save_foundation(stored, path, torch.float32)
    model = build(
        backbone={'foundation': {'type': 'ViCLIP', 'arch': ARCH, 'checkpoint': str(path)}}
    )
    other = copy.deepcopy(model)
    assert other.backbone.foundation.fingerprint() == stored.fingerprint()
    own = dict(model.backbone.named_parameters())
    for name, parameter in other.backbone.named_parameters():
        assert parameter is not own[name] and torch.equal(parameter, own[name])


def test_options_that_no_shape_shows_are_named_when_they_differ(build, monkeypatch):
    said = []
    monkeypatch.setattr(belonging, 'print_log', lambda text, **_: said.append(text))
    adapter = build().backbone.adapter_cfg
    state = build().state_dict()
    build(backbone={'adapter': {**adapter, 'input': 'ln_1'}}).load_state_dict(state)
    assert not said  # the default, spelt out
    build(backbone={'adapter': {**adapter, 'scale': 0.2, 'input': 'raw'}}).load_state_dict(state)
    assert "input='ln_1' in the checkpoint, 'raw' here; scale=0.1 in the checkpoint" in said[0]
