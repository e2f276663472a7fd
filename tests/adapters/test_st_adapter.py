"""ST-Adapter: its formula in both layouts, and what it can see."""

import pytest
import torch
from torch import nn

from projects.msta.foundation import TokenLayout
from tests.adapters.helpers import ARCH, clip, disturb, make, video_of


@pytest.mark.parametrize('kernel', [(3, 1, 1), (3, 3, 3)])
@pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
@torch.no_grad()
def test_the_formula(kind, kernel):
    """up(DWConv3d(down(x))) on the patches, against torch's own Conv3d; nothing for CLS."""
    _, adapter = make({'type': 'STAdapter', 'dim': 8, 'kernel': kernel}, kind)
    disturb(adapter)
    inner = adapter.convolutions['2']
    conv = inner.temporal.conv
    assert isinstance(conv, nn.Conv3d) and conv.groups == 8
    batch, t, h, w = 2, 4, 3, 2
    video = torch.randn(batch, t, h, w, 32)
    expected = inner.up(conv(inner.down(video).permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1))
    if kind == 'ViCLIP':
        layout = TokenLayout('joint', t, h, w)
        x = video.permute(0, 2, 3, 1, 4).flatten(1, 3)
        expected = expected.permute(0, 2, 3, 1, 4).flatten(1, 3)
    else:
        layout = TokenLayout('frames', t, h, w)
        x, expected = (y.flatten(2, 3).flatten(0, 1) for y in (video, expected))
    out = adapter.video[2].before(torch.cat([torch.randn(len(x), 1, 32), x], 1), layout)
    assert not out[:, 0].any()
    assert torch.allclose(out[:, 1:], expected, atol=1e-6)


@torch.no_grad()
def test_it_gives_a_frame_wise_tower_a_sense_of_order():
    foundation, adapter = make({'type': 'STAdapter', 'dim': 8}, 'CLIP')
    plain = foundation.encode_video(clip()) - foundation.encode_video(clip().flip(2))
    assert plain.abs().max() < 1e-5
    disturb(adapter, 0.3)
    turned = video_of(foundation, adapter) - video_of(foundation, adapter, clip().flip(2))
    assert turned.abs().max() > 1e-2


@torch.no_grad()
def test_in_the_last_block_it_speaks_through_the_patches():
    arch = {**ARCH, 'layers': 1}
    foundation, adapter = make({'type': 'STAdapter', 'dim': 8}, arch=arch)
    disturb(adapter, 0.3)
    change = video_of(foundation, adapter) - foundation.encode_video(clip())
    assert change.abs().max() > 1e-3


@torch.no_grad()
def test_any_number_of_frames():
    foundation, adapter = make({'type': 'STAdapter', 'dim': 8})
    disturb(adapter)
    for frames in (1, 2, 7):
        embeds = video_of(foundation, adapter, clip(frames))
        assert embeds.shape == (2, 24) and torch.isfinite(embeds).all()
