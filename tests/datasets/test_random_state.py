"""A block that draws from a seed, and a process that does not notice."""

import random

import numpy as np
import pytest
import torch

from projects.msta.datasets.random_state import random_state, seeded, set_random_state
from projects.msta.engine.checkpoints import to_plain


def draw() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002


def test_a_state_survives_a_checkpoint(tmp_path):
    random.gauss(0, 1), np.random.randn()  # noqa: NPY002 - each leaves a second number behind
    torch.save(to_plain(random_state()), tmp_path / 'state.pth')
    first = [draw(), random.gauss(0, 1), np.random.randn()]  # noqa: NPY002
    set_random_state(torch.load(tmp_path / 'state.pth', weights_only=True))
    assert [draw(), random.gauss(0, 1), np.random.randn()] == first  # noqa: NPY002


def test_seeded_blocks_repeat_and_leave_nothing_behind():
    set_random_state(before := random_state())
    undisturbed = draw()
    set_random_state(before)
    with seeded(7):
        first = draw()
    with seeded(8):
        assert all(a != b for a, b in zip(draw(), first, strict=True))
    with pytest.raises(KeyError), seeded(9):
        {}['a pipeline that fails']
    assert draw() == undisturbed
    with seeded(7):
        assert draw() == first
