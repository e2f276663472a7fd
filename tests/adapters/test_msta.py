"""The MSTA adapter: published counts, formula, gradients, ablations, bad settings."""

import copy

import pytest
import torch
import torch.nn.functional as F

from projects.msta.adapters import AdapterError, build_adapter
from projects.msta.adapters.msta import TemporalConv
from projects.msta.foundation import Taps, TokenLayout, build_foundation, tokenize

ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 4, 'heads': 2, 'embed_dim': 24,
    'text_width': 16, 'text_layers': 4, 'text_heads': 2, 'context_length': 16, 'num_frames': 4,
}  # fmt: skip


def make(kind='ViCLIP', arch=ARCH, **options):
    torch.manual_seed(0)
    foundation = build_foundation({'type': kind, 'arch': arch}).requires_grad_(False).eval()
    options = {'blocks': (2, 4), 'dim': 8, **options}
    return foundation, build_adapter({'type': 'MSTAAdapter', **options}, foundation)


def clip(frames=4):
    return torch.randn(2, 3, frames, 16, 16, generator=torch.Generator().manual_seed(3))


def words():
    return tokenize(['moving left', 'a cat that jumps'], 16)


@pytest.mark.parametrize(
    ('blocks', 'dim', 'published'), [((8, 12), 128, 1_744_000), ((1, 12), 256, 8_712_192)]
)
def test_trainable_parameters_equal_the_published_ones(blocks, dim, published):
    with torch.device('meta'):
        foundation = build_foundation({'type': 'ViCLIP', 'arch': 'b16'})
        adapter = build_adapter({'type': 'MSTAAdapter', 'blocks': blocks, 'dim': dim}, foundation)
    assert sum(p.numel() for p in adapter.parameters()) == published


@pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
@pytest.mark.parametrize('input', ['ln_1', 'raw'])
def test_the_formula(kind, input):
    """A = u + DWConv3d(u), u = W_us relu(W_s relu(W_d z)), against torch's own Conv3d."""
    _, adapter = make(kind, input=input, scale=0.5)
    pair = adapter.pairs['3']
    frames, side = 4, 2
    joint = kind == 'ViCLIP'
    shape = (2, 1 + frames * side * side, 32) if joint else (2 * frames, 1 + side * side, 32)
    raw, ln_1 = torch.randn(2, *shape)
    layout = TokenLayout('joint' if joint else 'frames', frames, side, side)
    out = adapter.video[3](Taps(raw, ln_1, raw, raw), layout)

    z = ln_1 if input == 'ln_1' else raw
    u = pair.video.up(F.relu(pair.shared[0](F.relu(pair.video.down(z)))))
    conv = pair.video.temporal.conv
    assert conv.kernel_size == (3, 1, 1) and conv.groups == 32
    if joint:
        patches = u[:, 1:].reshape(2, side, side, frames, 32).permute(0, 4, 3, 1, 2)
        moved = conv(patches).permute(0, 3, 4, 2, 1).reshape(2, -1, 32)
        expected = u + torch.cat([torch.zeros(2, 1, 32), moved], 1)  # CLS: the spatial part alone
    else:  # every position, CLS too, along the frames
        line = u.reshape(2, frames, 1 + side * side, 32).permute(0, 3, 1, 2).unsqueeze(-1)
        expected = u + conv(line).squeeze(-1).permute(0, 2, 3, 1).reshape(shape)
    assert torch.allclose(out, 0.5 * expected, atol=1e-6)

    text = torch.randn(2, 3, 16)
    h = F.relu(pair.shared[0](F.relu(pair.text.down(text))))
    out = adapter.text[3](Taps(text, text, text, text), TokenLayout('text'))
    assert torch.allclose(out, 0.5 * pair.text.up(h), atol=1e-6)


@pytest.mark.parametrize('kernel', [(3, 1, 1), (5, 1, 1), (3, 3, 3)])
def test_depthwise_shortcut_equals_conv3d(kernel):
    torch.manual_seed(0)
    for frames in (1, 2, 7):
        temporal = TemporalConv(6, 6, kernel, depthwise=True)
        grid = torch.randn(2, frames, 3, 2, 6, requires_grad=True)
        plain = temporal.conv(grid.permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1)
        assert torch.allclose(temporal(grid), plain, atol=1e-6)
        parameters = list(temporal.parameters())
        ours = torch.autograd.grad(temporal(grid).square().sum(), [grid, *parameters])
        theirs = torch.autograd.grad(plain.square().sum(), [grid, *parameters])
        for a, b in zip(ours, theirs, strict=True):
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
@torch.no_grad()
def test_scale_zero_is_the_foundation_exactly_and_any_other_is_not(kind):
    foundation, adapter = make(kind, scale=0.0)
    assert torch.equal(
        foundation.encode_video(clip(), adapter.video), foundation.encode_video(clip())
    )
    assert torch.equal(
        foundation.encode_text(words(), adapter.text), foundation.encode_text(words())
    )
    foundation, adapter = make(kind, scale=0.005)
    assert not torch.equal(
        foundation.encode_video(clip(), adapter.video), foundation.encode_video(clip())
    )
    assert not torch.equal(
        foundation.encode_text(words(), adapter.text), foundation.encode_text(words())
    )


def test_temporal_part_sees_the_order_of_frames_and_the_spatial_part_does_not():
    arch = {**ARCH, 'layers': 2, 'text_layers': 2}
    changes = {}
    for temporal in ('depthwise', 'none'):
        foundation, adapter = make('CLIP', arch, blocks=(1, 2), temporal=temporal, scale=1.0)
        with torch.no_grad():
            forward = foundation.encode_video(clip(), adapter.video)
            backward = foundation.encode_video(clip().flip(2), adapter.video)
        changes[temporal] = (forward - backward).abs().max().item()
    assert changes['none'] < 1e-5 < 1e-2 < changes['depthwise']


def gradients(foundation, adapter):
    video = foundation.encode_video(clip(), adapter.video)
    text = foundation.encode_text(words(), adapter.text)
    (video @ text.T).sum().backward()
    return {name: p.grad for name, p in adapter.named_parameters()}


@pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
def test_every_parameter_that_matters_gets_a_gradient_and_no_other(kind):
    foundation, adapter = make(kind)
    found = gradients(foundation, adapter)
    silent = {name for name, grad in found.items() if grad is None or not grad.abs().max() > 0}
    # In the last joint block only the CLS row is read, and it takes the spatial part alone.
    last = {f'pairs.4.video.temporal.conv.{name}' for name in ('weight', 'bias')}
    assert silent == (last if kind == 'ViCLIP' else set())
    assert all(p.grad is None for p in foundation.parameters())


def test_without_the_silent_convolution_all_is_trained_and_nothing_else_changes():
    foundation, adapter = make()
    _, lean = make(last_temporal=False)
    missing = adapter.load_state_dict(lean.state_dict(), strict=False)
    assert missing.missing_keys == [
        f'pairs.4.video.temporal.conv.{name}' for name in ('weight', 'bias')
    ]
    assert sum(p.numel() for p in adapter.pairs['4'].video.temporal.parameters()) == 32 * 4
    with torch.no_grad():
        both = [foundation.encode_video(clip(), sides.video) for sides in (adapter, lean)]
    assert torch.equal(*both)
    assert all(g is not None and g.abs().max() > 0 for g in gradients(foundation, lean).values())
    _, framewise = make('CLIP', last_temporal=False)
    assert framewise.pairs['4'].video.temporal is not None  # its CLS has a place in time
    _, temporal_alone = make(last_temporal=False, spatial=False)
    assert sorted(temporal_alone.video) == [2, 3] and temporal_alone.pairs['4'].video is None
    with pytest.raises(AdapterError, match='no adapter to train'):
        make(blocks=(4, 4), last_temporal=False, spatial=False, towers=('video',))


def test_the_shared_projection_hears_both_towers():
    foundation, adapter = make()
    shared = adapter.pairs['3'].shared[0].weight
    for embed, x in ((foundation.encode_video, clip()), (foundation.encode_text, words())):
        sides = adapter.video if x.ndim == 5 else adapter.text
        (gradient,) = torch.autograd.grad(embed(x, sides).square().sum(), shared)
        assert gradient.abs().max() > 0


def test_gradient_rescaling():
    """Parameters: d/dA, not scale * d/dA. The way down to the tower: the plain gradient."""
    scale = 0.01
    one_block = {'blocks': (4, 4), 'scale': scale}
    plain = gradients(*make(rescale_gradient=False, **one_block))
    scaled = gradients(*make(rescale_gradient=True, **one_block))
    for name, gradient in scaled.items():
        if plain[name] is not None and plain[name].abs().max() > 0:
            assert torch.allclose(gradient * scale, plain[name], rtol=1e-4, atol=1e-7), name
    towards_tower = []
    for rescale in (False, True):
        _, adapter = make(rescale_gradient=rescale, **one_block)
        x = torch.randn(2, 17, 32, generator=torch.Generator().manual_seed(5), requires_grad=True)
        out = adapter.video[4](Taps(x, x, x, x), TokenLayout('joint', 4, 2, 2))
        towards_tower += torch.autograd.grad(out.square().sum(), x)
    assert torch.allclose(*towards_tower, rtol=1e-4, atol=1e-9)


def test_unequal_towers_are_paired_from_the_top():
    arch = {**ARCH, 'layers': 4, 'text_layers': 2}
    _, adapter = make(arch=arch, blocks=(2, 4))
    assert sorted(adapter.video) == [2, 3, 4] and sorted(adapter.text) == [1, 2]
    assert adapter.pairs['2'].text is None
    assert adapter.text[2].args[0] is adapter.pairs['4'].text
    assert adapter.text[2].args[1] is adapter.video[4].args[1]  # one W_s for both


@pytest.mark.parametrize(
    'options',
    [{'temporal': 'full'}, {'temporal': 'full', 'temporal_kernel': (3, 3, 3)},
     {'temporal': 'none'}, {'spatial': False}, {'shared': False}, {'towers': ('text',)},
     {'towers': ('video',)}, {'temporal_kernel': (3, 3, 3)}],
)  # fmt: skip
@pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
def test_every_ablation_trains(kind, options):
    foundation, adapter = make(kind, **options)
    found = gradients(foundation, adapter)
    assert any(grad is not None and grad.abs().max() > 0 for grad in found.values())
    towers = options.get('towers', ('video', 'text'))
    assert bool(adapter.video) == ('video' in towers) and bool(adapter.text) == ('text' in towers)


def test_a_deep_copy_stands_on_its_own():
    foundation, adapter = make()
    twin = copy.deepcopy(adapter)
    with torch.no_grad():
        before = foundation.encode_video(clip(), twin.video)
        for parameter in adapter.parameters():
            parameter.zero_()
        assert torch.equal(before, foundation.encode_video(clip(), twin.video))


@pytest.mark.parametrize(
    ('options', 'words'),
    [({'blocks': (0, 4)}, '1 <= first'), ({'blocks': (3, 5)}, '<= 4'),
     ({'blocks': (4, 2)}, 'first'),
     ({'blocks': (1, 2, 3)}, 'two block numbers'), ({'dim': 0}, 'dim=0'),
     ({'input': 'ln_2'}, 'ln_2'), ({'temporal': 'deep'}, 'deep'), ({'towers': ()}, 'towers'),
     ({'temporal_kernel': (2, 1, 1)}, 'odd'), ({'bogus': 1}, 'bogus'),
     ({'spatial': False, 'temporal': 'none'}, 'empty')],
)  # fmt: skip
def test_bad_settings_are_named(options, words):
    with pytest.raises(AdapterError, match=words):
        make(**options)


def test_adapters_that_meet_no_block_are_refused():
    arch = {**ARCH, 'layers': 4, 'text_layers': 2}
    with pytest.raises(AdapterError, match='no adapter would be trained'):
        make(arch=arch, blocks=(1, 2), towers=('text',))
    with pytest.raises(AdapterError, match='not known'):
        build_adapter({'type': 'MSTA'}, make()[0])
