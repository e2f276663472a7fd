"""What holds for every method: the frozen stays frozen, the trained matters, copies stand alone."""

import copy

import pytest
import torch

from projects.msta.adapters import ADAPTERS, AdapterError, build_adapter
from projects.msta.foundation import build_foundation
from tests.adapters.helpers import (
    ARCH,
    METHODS,
    TEXT_ONLY,
    VIDEO_ONLY,
    clip,
    disturb,
    make,
    text_of,
    trained,
    video_of,
    words,
)

every_method = pytest.mark.parametrize('name', METHODS)
both_kinds = pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
# Trainable parameters on ViCLIP-B/16. The first four are published: 8.7M, 7.9M, 9.4M, 124.3M.
COUNTS = [
    ({'type': 'MSTAAdapter', 'blocks': (1, 12), 'dim': 256}, 8_712_192),
    ({'type': 'AdaptFormer', 'dim': 256}, 7_885_824),
    ({'type': 'LoRA', 'rank': 256}, 9_437_184),
    ({'type': 'FullFineTuning'}, 124_306_944),
    ({'type': 'LoRA', 'rank': 128, 'targets': ('q', 'k', 'v', 'o')}, 9_437_184),
    ({'type': 'AdaptFormer', 'dim': 256, 'scale': None}, 7_885_824 + 24),
    ({'type': 'MMA'}, 674_560),
    ({'type': 'STAdapter'}, 12 * (768 * 384 * 2 + 384 + 768 + 4 * 384)),
    ({'type': 'BitFit'}, 12 * 11 * (768 + 512) + 2 * 768 + 512),
    ({'type': 'CoOp'}, 16 * 512),
    ({'type': 'LinearProbe'}, 512 * 512),
]


def test_every_method_is_tested():
    assert {config['type'] for config in METHODS.values()} == set(ADAPTERS)
    assert {config['type'] for config, _ in COUNTS} == set(ADAPTERS)


def test_trainable_parameters_at_viclip_b16():
    with torch.device('meta'):
        foundation = build_foundation({'type': 'ViCLIP', 'arch': 'b16'}).requires_grad_(False)
        found = [
            sum(p.numel() for p in trained(build_adapter(config, foundation)).values())
            for config, _ in COUNTS
        ]
    assert found == [expected for _, expected in COUNTS]


@every_method
@both_kinds
def test_training_leaves_the_foundation_alone(name, kind):
    foundation, adapter = make(METHODS[name], kind)
    before = {k: v.clone() for k, v in foundation.state_dict().items()}
    fingerprint, plain = foundation.fingerprint(), foundation.encode_text(words())
    start = {k: v.detach().clone() for k, v in trained(adapter).items()}
    optimizer = torch.optim.SGD(adapter.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        cosine = torch.cosine_similarity(
            video_of(foundation, adapter)[:, None], text_of(foundation, adapter)[None], dim=-1
        )
        (-cosine.diagonal().sum() + cosine.sum()).backward()
        optimizer.step()
    assert any(not torch.equal(v, start[k]) for k, v in trained(adapter).items())
    assert all(torch.equal(v, before[k]) for k, v in foundation.state_dict().items())
    assert all(p.grad is None for p in foundation.parameters())
    assert foundation.fingerprint() == fingerprint
    assert torch.equal(foundation.encode_text(words()), plain)


@every_method
@both_kinds
@torch.no_grad()
def test_the_method_changes_the_towers_it_trains_and_no_other(name, kind):
    foundation, adapter = make(METHODS[name], kind)
    disturb(adapter)
    video = (video_of(foundation, adapter) - foundation.encode_video(clip())).abs().max()
    text = (text_of(foundation, adapter) - foundation.encode_text(words())).abs().max()
    assert (video > 1e-3) == (name not in TEXT_ONLY)
    assert (text > 1e-3) == (name not in VIDEO_ONLY)
    assert adapter.trains_text == (name not in VIDEO_ONLY)
    for unchanged, names in ((video, TEXT_ONLY), (text, VIDEO_ONLY)):
        assert name not in names or unchanged < 2e-6


@pytest.mark.parametrize('name', sorted(set(METHODS) - {'CoOp', 'MMA', 'MSTAAdapter'}))
@both_kinds
@torch.no_grad()
def test_these_start_as_the_frozen_model(name, kind):
    foundation, adapter = make(METHODS[name], kind)
    assert torch.allclose(video_of(foundation, adapter), foundation.encode_video(clip()), atol=1e-6)
    assert torch.allclose(text_of(foundation, adapter), foundation.encode_text(words()), atol=2e-6)


def silent_parameters(name, kind):
    """The ones that cannot matter: only in the last joint block, whose CLS row alone is read."""
    last = {f'pairs.4.video.temporal.conv.{end}' for end in ('weight', 'bias')}
    return last if (name, kind) == ('MSTAAdapter', 'ViCLIP') else set()


@every_method
@both_kinds
def test_a_gradient_reaches_every_parameter_that_matters(name, kind):
    foundation, adapter = make(METHODS[name], kind)
    disturb(adapter)  # past the start, where an up-projection of zero blocks the way down
    (video_of(foundation, adapter) @ text_of(foundation, adapter).T).square().sum().backward()
    silent = {
        k for k, p in trained(adapter).items() if p.grad is None or not p.grad.abs().max() > 0
    }
    assert silent == silent_parameters(name, kind)
    assert all(p.grad is None for p in foundation.parameters())


@every_method
@torch.no_grad()
def test_a_deep_copy_stands_on_its_own(name):
    foundation, adapter = make(METHODS[name])
    disturb(adapter)
    twin_foundation, twin = copy.deepcopy((foundation, adapter))
    before = video_of(twin_foundation, twin), text_of(twin_foundation, twin)
    for parameter in (*adapter.parameters(), *foundation.parameters()):
        parameter.zero_()
    assert torch.equal(before[0], video_of(twin_foundation, twin))
    assert torch.equal(before[1], text_of(twin_foundation, twin))


@every_method
def test_activation_checkpointing_gives_the_same_gradients(name):
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        foundation = build_foundation({'type': 'ViCLIP', 'arch': ARCH}).requires_grad_(False)
        foundation.visual.transformer.recompute = recompute
        foundation.text.transformer.recompute = recompute
        adapter = build_adapter(METHODS[name], foundation)
        disturb(adapter)
        torch.manual_seed(1)  # of AdaptFormer's dropout
        (video_of(foundation, adapter) @ text_of(foundation, adapter).T).square().sum().backward()
        gradients.append([p.grad for p in trained(adapter).values()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert (plain is None and recomputed is None) or torch.allclose(plain, recomputed)


@pytest.mark.parametrize(
    ('config', 'message'),
    [({'type': 'AdaptFormer', 'dim': 0}, 'dim=0'),
     ({'type': 'AdaptFormer', 'input': 'raw'}, 'raw'),
     ({'type': 'AdaptFormer', 'blocks': (3, 5)}, '<= 4'),
     ({'type': 'AdaptFormer', 'blocks': (1, 1), 'towers': ('text',)}, 'nothing would be trained'),
     ({'type': 'BitFit', 'towers': ('audio',)}, 'audio'),
     ({'type': 'BitFit', 'towers': 'text'}, "towers='text'"),
     ({'type': 'CoOp', 'context': 14}, 'at most 13'),
     ({'type': 'CoOp', 'context': 0}, 'context=0'),
     ({'type': 'CoOp', 'init': ' _'}, 'no words'),
     ({'type': 'FullFineTuning', 'towers': ()}, 'towers'),
     ({'type': 'LinearProbe', 'dim': 3}, 'dim'),
     ({'type': 'LoRA', 'rank': 0}, 'rank=0'),
     ({'type': 'LoRA', 'targets': ('q', 'w')}, 'any of'),
     ({'type': 'LoRA', 'targets': ('q', 'q')}, 'once each'),
     ({'type': 'LoRA', 'targets': ()}, 'targets'),
     ({'type': 'MMA', 'temporal': 'full'}, '_delete_=True'),
     ({'type': 'STAdapter', 'kernel': (2, 1, 1)}, 'odd'),
     ({'type': 'STAdapter', 'dim': -1}, 'dim=-1')],
)  # fmt: skip
def test_bad_settings_are_named(config, message):
    with pytest.raises(AdapterError, match=message):
        make(config)
