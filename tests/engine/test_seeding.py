"""Epochs draw differently, and alike whenever (seed, epoch, rank) are the same."""

import random

import numpy as np
import torch
from mmengine.runner import Runner

from projects.msta.engine.seeding import mix_seed, seed_everything
from tests.engine.toy_run import make_config


def draw() -> tuple:
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002


def test_seed_everything_repeats_all_three():
    seed_everything(7)
    first = draw()
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_mix_seeds_differ():
    seeds = {mix_seed(s, e, r) for s in range(5) for e in range(50) for r in range(8)}
    assert len(seeds) == 5 * 50 * 8
    assert all(0 <= seed < 2**32 for seed in seeds)


def inputs_of_epochs(tmp_path, workers: int, persistent: bool) -> list[list[float]]:
    """What the model sees in each of two epochs, sorted to leave out the order."""
    cfg = make_config(tmp_path, epochs=2, workers=workers)
    cfg.train_dataloader.persistent_workers = persistent
    runner = Runner.from_cfg(cfg)
    seen: list[list[float]] = []
    forward, call_hook = runner.model.forward, runner.call_hook

    def record(inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            seen[-1].extend(x[0].item() for x in inputs)
        return forward(inputs, data_samples, mode)

    def note_epoch(name, **kwargs):
        if name == 'before_train_epoch':
            seen.append([])
        call_hook(name, **kwargs)

    runner.model.forward, runner.call_hook = record, note_epoch
    runner.train()
    return [sorted(epoch) for epoch in seen]


def test_workers_draw_anew_in_each_epoch_and_alike_in_every_run(tmp_path):
    first = inputs_of_epochs(tmp_path / 'a', workers=2, persistent=False)
    assert len(first) == 2 and len(first[0]) == 12
    assert not set(first[0]) & set(first[1])
    assert len(set(first[0])) == 12  # and the two workers draw differently
    assert inputs_of_epochs(tmp_path / 'b', workers=2, persistent=False) == first
    assert inputs_of_epochs(tmp_path / 'c', workers=2, persistent=True) == first
