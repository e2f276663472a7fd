"""Every method on towers without a class token, with rotary positions, pooling by attention."""

import pytest
import torch
import torch.nn.functional as F

from projects.msta.adapters import AdapterError, build_adapter
from projects.msta.foundation import Taps, TokenLayout, build_foundation
from projects.msta.foundation.presets import PRESETS
from tests.adapters.helpers import (
    ARCH,
    METHODS,
    clip,
    disturb,
    make,
    text_of,
    trained,
    video_of,
    words,
)

KINDS = {
    'PerceptionEncoder': ARCH,
    'PerceptionEncoder without CLS': {**ARCH, 'class_token': False},
    'SigLIP': {**ARCH, 'embed_dim': 32},
}
every_kind = pytest.mark.parametrize('kind', KINDS)


def on(name, kind):
    if (name, kind) == ('CoOp', 'SigLIP'):
        pytest.skip('refused: tested below')
    return make(METHODS[name], kind.split()[0], KINDS[kind])


@pytest.mark.parametrize('preset', PRESETS)
def test_trainable_parameters_of_msta(preset):
    arch = PRESETS[preset]
    last = arch.layers
    with torch.device('meta'):
        foundation = build_foundation({'type': preset[0], 'arch': preset[1]}).requires_grad_(False)
        config = {'type': 'MSTAAdapter', 'blocks': (last - 4, last), 'dim': 128}
        adapter = build_adapter(config, foundation)
    found = sum(p.numel() for p in adapter.parameters())
    # Down, up and convolution of a video block, down and up of a text block, and what they share.
    block = 261 * arch.width + 257 * arch.text_width + 128 * 131
    assert found == 5 * block


@pytest.mark.parametrize('name', METHODS)
@every_kind
def test_trained_alone_and_in_full(name, kind):
    foundation, adapter = on(name, kind)
    before = {k: v.clone() for k, v in foundation.state_dict().items()}
    if name not in ('CoOp', 'MMA', 'MSTAAdapter'):
        with torch.no_grad():
            start = (video_of(foundation, adapter) - foundation.encode_video(clip())).abs().max()
            assert start < 2e-6
    disturb(adapter)
    (video_of(foundation, adapter) @ text_of(foundation, adapter).T).square().sum().backward()
    silent = [k for k, p in trained(adapter).items() if p.grad is None or not p.grad.abs().max()]
    assert not silent
    assert all(p.grad is None for p in foundation.parameters())
    assert all(torch.equal(v, before[k]) for k, v in foundation.state_dict().items())


@pytest.mark.parametrize('name', ['BitFit', 'FullFineTuning', 'LoRA everywhere'])
@every_kind
@torch.no_grad()
def test_merged_equals_unmerged(name, kind):
    foundation, adapter = on(name, kind)
    disturb(adapter)
    merged = adapter.merged(foundation)
    video, text = video_of(foundation, adapter), text_of(foundation, adapter)
    assert torch.allclose(merged.encode_video(clip()), video, atol=1e-5)
    assert torch.allclose(merged.encode_text(words()), text, atol=1e-5)
    assert (video - foundation.encode_video(clip())).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize('size', [16, 24])
@every_kind
def test_msta_from_any_block_on(kind, size):
    """What the frozen part has computed once gives the same as all of it, in other sizes too."""
    foundation, adapter = on('MSTAAdapter', kind)
    clips = torch.randn(2, 3, 3, size, size)
    whole = foundation.encode_video(clips, adapter.video)
    assert (whole - foundation.encode_video(clips)).abs().max() > 1e-3
    for block in (1, 2, 4):
        state = foundation.visual.advance(clips, block)
        assert torch.equal(foundation.visual.finish(state, {}), foundation.encode_video(clips))
        if block <= 2:
            found = adapter.encode_video(foundation, state)
            assert torch.allclose(found, whole, atol=2e-6)


@torch.no_grad()
def test_msta_without_a_class_token_convolves_every_token():
    """u + DWConv3d(u) of the patches; no row is taken for a class token."""
    _, adapter = on('MSTAAdapter', 'SigLIP')
    pair, frames, height, width = adapter.pairs['3'], 4, 3, 2
    raw, ln_1 = torch.randn(2, 2 * frames, height * width, 32)
    layout = TokenLayout('frames', frames, height, width, class_token=False)
    out = adapter.video[3](Taps(raw, ln_1, raw, raw), layout)
    u = pair.video.up(F.relu(pair.shared[0](F.relu(pair.video.down(ln_1)))))
    line = u.reshape(2, frames, height * width, 32).permute(0, 3, 1, 2).unsqueeze(-1)
    moved = pair.video.temporal.conv(line).squeeze(-1).permute(0, 2, 3, 1).reshape(u.shape)
    assert torch.allclose(out, adapter.scale * (u + moved), atol=1e-6)


@torch.no_grad()
def test_st_adapter_without_a_class_token():
    _, adapter = on('STAdapter', 'SigLIP')
    disturb(adapter)
    inner, shape = adapter.convolutions['2'], (2, 4, 3, 2, 32)
    video = torch.randn(shape)
    conv = inner.temporal.conv
    expected = inner.up(conv(inner.down(video).permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1))
    x, expected = (y.flatten(2, 3).flatten(0, 1) for y in (video, expected))
    layout = TokenLayout('frames', 4, 3, 2, class_token=False)
    assert torch.allclose(adapter.video[2].before(x, layout), expected, atol=1e-6)


def test_coop_needs_a_start_token():
    with pytest.raises(AdapterError, match='no start token'):
        make(METHODS['CoOp'], 'SigLIP', KINDS['SigLIP'])
