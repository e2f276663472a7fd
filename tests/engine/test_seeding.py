"""Epochs draw differently, and alike whenever (seed, epoch, rank) are the same."""

import random

import numpy as np
import torch
from mmengine.runner import Runner

from projects.msta.engine.seeding import epoch_seed, seed_everything
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


def test_epoch_seeds_differ():
    seeds = {epoch_seed(s, e, r) for s in range(5) for e in range(50) for r in range(8)}
    assert len(seeds) == 5 * 50 * 8
    assert all(0 <= seed < 2**32 for seed in seeds)


def inputs_of_epochs(tmp_path, workers: int) -> list[list[float]]:
    """What the model sees in each of two epochs, sorted to leave out the order."""
    runner = Runner.from_cfg(make_config(tmp_path, epochs=2, workers=workers))
    seen: list[list[float]] = []
    forward = runner.model.forward

    def record(inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            seen[-1].extend(x[0].item() for x in inputs)
        return forward(inputs, data_samples, mode)

    runner.model.forward = record
    call_hook = runner.call_hook

    def note_epoch(name, **kwargs):
        if name == 'before_train_epoch':
            seen.append([])
        call_hook(name, **kwargs)

    runner.call_hook = note_epoch
    runner.train()
    return [sorted(epoch) for epoch in seen]


def test_workers_draw_anew_in_each_epoch_and_repeat_in_a_second_run(tmp_path):
    first = inputs_of_epochs(tmp_path / 'a', workers=2)
    again = inputs_of_epochs(tmp_path / 'b', workers=2)
    assert len(first) == 2 and len(first[0]) == 12
    assert first == again
    assert not set(first[0]) & set(first[1])


def test_workers_kept_over_epochs_are_warned_of(tmp_path):
    cfg = make_config(tmp_path, epochs=1, workers=1)
    cfg.train_dataloader.persistent_workers = True
    cfg.log_level = 'WARNING'
    runner = Runner.from_cfg(cfg)
    runner.train()
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'persistent_workers=False' in log
