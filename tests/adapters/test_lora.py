"""LoRA: which outputs it changes, an independent reference, merging."""

import pytest
import torch
from mmpretrain.models.peft.lora import LoRALinear

from projects.msta.foundation import load_foundation, save_foundation
from tests.adapters.helpers import clip, disturb, make, text_of, video_of, words

EVERYWHERE = {
    'type': 'LoRA', 'rank': 4, 'targets': ('q', 'k', 'v', 'o', 'fc', 'proj'), 'alpha': 8,
    'towers': ('video', 'text'),
}  # fmt: skip


@pytest.mark.parametrize('targets', ['q', 'k', 'v', 'qv', 'vq', 'kv', 'qkv'])
def test_only_the_named_thirds_of_the_joint_projection_change(targets):
    _, adapter = make({'type': 'LoRA', 'rank': 4, 'targets': tuple(targets)})
    disturb(adapter)
    x = torch.randn(2, 5, 32)
    change = adapter.video[2].linears['qkv']
    for name, third in zip('qkv', change(x).chunk(3, -1), strict=True):
        if name in targets:
            factors = change.parts[name]
            assert torch.allclose(third, factors.up(factors.down(x))) and third.abs().max() > 0
        else:
            assert not third.any()


@torch.no_grad()
def test_a_whole_layer_changes_as_mmpretrain_has_it():
    foundation, adapter = make({'type': 'LoRA', 'rank': 4, 'targets': ('fc',), 'alpha': 6})
    disturb(adapter)
    mlp = foundation.visual.transformer.blocks[1].mlp
    factors = adapter.video[2].linears['fc'].parts['fc']
    reference = LoRALinear(mlp.fc, alpha=6, rank=4)
    reference.lora_down.load_state_dict(factors.down.state_dict())
    reference.lora_up.load_state_dict(factors.up.state_dict())
    x = torch.randn(2, 5, 32)
    expected = mlp.proj(mlp.act(reference(x)))
    assert torch.allclose(mlp(x, adapter.video[2].linears), expected, atol=1e-6)


@pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
@pytest.mark.parametrize('config', [{'type': 'LoRA', 'rank': 4}, EVERYWHERE])
@torch.no_grad()
def test_merged_equals_unmerged(kind, config):
    foundation, adapter = make(config, kind)
    disturb(adapter, 0.2)
    before = foundation.fingerprint()
    merged = adapter.merged(foundation)
    video, text = video_of(foundation, adapter), text_of(foundation, adapter)
    assert torch.allclose(merged.encode_video(clip()), video, atol=1e-5)
    assert torch.allclose(merged.encode_text(words()), text, atol=1e-5)
    assert (video - foundation.encode_video(clip())).abs().max() > 1e-2
    assert foundation.fingerprint() == before != merged.fingerprint()
    own = {n for n, p in merged.named_parameters() if p is not foundation.get_parameter(n)}
    towers = {'video': 'visual', 'text': 'text'}
    assert {name.split('.')[0] for name in own} == {
        towers[t] for t in config.get('towers', ['video'])
    }
    assert all(name.endswith('weight') for name in own)


@torch.no_grad()
def test_the_merged_model_is_a_foundation_file_of_its_own(tmp_path):
    foundation, adapter = make(EVERYWHERE)
    disturb(adapter)
    save_foundation(adapter.merged(foundation), tmp_path / 'merged.safetensors', torch.float32)
    read = load_foundation(tmp_path / 'merged.safetensors')
    assert torch.allclose(read.encode_video(clip()), video_of(foundation, adapter), atol=1e-5)


def test_alpha_scales():
    x = torch.randn(2, 5, 32)
    outputs = []
    for alpha in (None, 4, 8):
        _, adapter = make({'type': 'LoRA', 'rank': 4, 'alpha': alpha})
        disturb(adapter)
        outputs.append(adapter.video[2].linears['qkv'](x))
    assert torch.equal(outputs[0], outputs[1]) and torch.allclose(2 * outputs[1], outputs[2])


def test_mixed_precision_keeps_its_type():
    _, adapter = make({'type': 'LoRA', 'rank': 4})
    with torch.autocast('cpu', torch.bfloat16):
        change = adapter.video[2].linears['qkv'](torch.randn(2, 5, 32))
    assert change.dtype is torch.bfloat16
