"""Computed memory: what is counted, and that shapes alone give what real tensors take."""

import torch
from mmaction.registry import MODELS
from mmaction.utils import register_all_modules

from benchmarks import memory
from benchmarks.memory import GB, Live, Memory, Recipe, setting
from projects.msta.training.config import read_config


def test_storages_count_until_nothing_holds_them():
    known = torch.ones(250)
    with Live() as live:
        made = known * 2
        view, other = made[:10], made + known
        made.add_(1)
        assert (live.now, live.peak) == (2000, 2000)
        del made
        assert live.now == 2000  # the view holds it
        del view, other
        known.t()
    assert (live.now, live.peak) == (0, 2000)


def test_shapes_alone_give_what_real_tensors_take(monkeypatch):
    register_all_modules(init_default_scope=True)
    cfg = read_config('msta_tiny_shapes').model
    cfg.backbone.foundation.checkpoint = cfg.descriptions = None
    cfg.labels = ['running', 'standing up', 'waving']
    model = MODELS.build(cfg).train()
    model.encode_classes()
    by_shapes = memory._peak(model, 2, amp=False)
    monkeypatch.setattr(memory, 'FakeTensorMode', lambda **_: torch.enable_grad())
    assert abs(memory._peak(model, 2, amp=False) / by_shapes - 1) < 0.01


def test_the_largest_batch_that_fits():
    recipe, room = Recipe('b16', (8, 12), 128, 32), memory.RESERVE['GPU']
    of_clip = Memory(clip=GB, once=GB, weights=GB)
    assert setting(recipe, of_clip, 1, (room + 2.9 * GB) / GB, 'GPU') == 'too small'
    assert setting(recipe, of_clip, 1, (room + 9 * GB) / GB, 'GPU') == '4, accumulative_counts=8'
    assert setting(recipe, of_clip, 8, (room + 9 * GB) / GB, 'GPU') == '4'
    assert setting(recipe, of_clip, 1, 100, 'GPU') == '32'
    room = memory.RESERVE['CPU'] + 2 * GB + 4 * memory.HEAP['CPU'] * GB
    assert setting(recipe, of_clip, 1, room / GB, 'CPU') == '4, accumulative_counts=8'
