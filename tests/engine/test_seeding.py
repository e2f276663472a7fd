"""Epochs draw differently, and alike whenever (seed, epoch, rank) are the same."""

import random

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from projects.msta.engine.seeding import mix_seed, seed_everything
from tests.engine.toy_run import make_config, record


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


def test_epochs_draw_differently_and_alike_in_every_run(tmp_path):
    first, second = record(Runner.from_cfg(make_config(tmp_path / 'a', epochs=2)))
    views = [value for epoch in (first, second) for inputs, _ in epoch for value in inputs]
    draws = [draw for epoch in (first, second) for _, draw in epoch]
    assert len(set(views)) == 24 and len(set(draws)) == 6
    again = record(Runner.from_cfg(make_config(tmp_path / 'b', epochs=2)))
    assert again == [first, second]


@pytest.mark.parametrize('changes', [dict(seed=None), dict(seed=9)])
def test_a_resumed_training_keeps_its_seed(tmp_path, changes):
    """The Runner takes the checkpoint's, but built the sampler with the one it was given."""
    given = dict(seed=4, diff_rank_seed=False, deterministic=False)
    cfg = make_config(tmp_path, epochs=3, randomness=given)
    straight = record(Runner.from_cfg(cfg))
    cfg = make_config(tmp_path, epochs=3, randomness={**given, **changes}, resume=True)
    cfg.load_from = str(tmp_path / 'epoch_2.pth')
    assert record(Runner.from_cfg(cfg)) == straight[2:]
