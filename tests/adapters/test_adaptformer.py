"""AdaptFormer: its formula, scale and dropout."""

import pytest
import torch
import torch.nn.functional as F

from projects.msta.foundation import Taps, TokenLayout
from tests.adapters.helpers import disturb, make


def taps():
    return Taps(*torch.randn(4, 2, 17, 32, generator=torch.Generator().manual_seed(5)))


@pytest.mark.parametrize('input', ['mid', 'ln_2'])
@pytest.mark.parametrize('scale', [0.1, 3.0, None])
def test_the_formula(input, scale):
    _, adapter = make({'type': 'AdaptFormer', 'dim': 8, 'input': input, 'scale': scale})
    disturb(adapter)
    beside = adapter.bottlenecks['video_3']
    factor = scale if scale else beside.scale.item()
    assert scale or factor == pytest.approx(1, abs=0.3)
    expected = factor * beside.up(F.relu(beside.down(getattr(taps(), input))))
    assert torch.allclose(adapter.video[3](taps(), TokenLayout('joint', 4, 2, 2)), expected)


def test_dropout_is_for_training_alone():
    _, adapter = make({'type': 'AdaptFormer', 'dim': 8, 'dropout': 0.5})
    disturb(adapter)
    layout = TokenLayout('text')
    beside = adapter.video[1]
    assert torch.equal(beside(taps(), layout), beside(taps(), layout))
    adapter.train()
    assert not torch.equal(beside(taps(), layout), beside(taps(), layout))


def test_blocks_are_paired_from_the_top():
    _, adapter = make({'type': 'AdaptFormer', 'dim': 8, 'blocks': (3, 4)})
    assert sorted(adapter.video) == [3, 4] and sorted(adapter.text) == [2, 3]  # of 4 and 3 blocks
    _, adapter = make({'type': 'AdaptFormer', 'dim': 8, 'blocks': (1, 1)})
    assert sorted(adapter.video) == [1] and not adapter.text
    assert set(adapter.bottlenecks) == {'video_1'}
