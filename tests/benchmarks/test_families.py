"""The table of families, on tiny models: every column is measured, and each side does its work."""

import pytest
import torch

from benchmarks.families import COLUMNS, _prompts, _sides, compare, plainly
from projects.msta.foundation.presets import FAMILIES
from projects.msta.models import MSTABackbone

ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 3, 'heads': 2, 'embed_dim': 32,
    'text_width': 16, 'text_layers': 3, 'text_heads': 2, 'context_length': 12, 'vocab_size': 50,
}  # fmt: skip


def test_every_column_is_measured():
    ratios = compare('ViCLIP', ARCH, plainly, 2, 3, 1)
    assert set(COLUMNS) | {'reference'} == set(ratios)
    assert all(ratio > 0 for ratio in ratios.values())


@pytest.mark.parametrize('kind', FAMILIES)
def test_shortcuts_change_nothing_but_the_time(kind):
    torch.manual_seed(0)
    adapter = {'type': 'MSTAAdapter', 'blocks': (2, 3), 'dim': 8, 'scale': 0.3}
    arch = {**FAMILIES[kind], **ARCH}
    ours = MSTABackbone(foundation={'type': kind, 'arch': arch}, adapter=adapter)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    sides = _sides(ours, torch.randn(2, 3, 2, 16, 16), _prompts(4, 12, 50))
    for fast, slow in (('clip, adapters', 'clip, adapters, no shortcuts'),
                       ('text, adapters, kept', 'text, adapters, no shortcuts')):  # fmt: skip
        a, b = sides[fast](), sides[slow]()
        # float32: the same sums in another order.
        assert (a - b).abs().max() < 2e-5 * b.abs().max(), (kind, fast)
