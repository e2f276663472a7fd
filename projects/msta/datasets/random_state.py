"""The random state that pipelines draw from: Python's, NumPy's and, on the CPU, PyTorch's."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Return the state now."""
    return {
        'python': random.getstate(),
        'numpy': np.random.get_state(),  # noqa: NPY002 - the transforms draw from the global state
        'torch': torch.get_rng_state(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go back to a state, which may have been through a checkpoint."""
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state['numpy']
    np.random.set_state((name, np.asarray(keys, np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())


def seed_pipelines(seed: int) -> None:
    """Seed all three with 32 bits; unlike ``torch.manual_seed``, no GPU."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed within the block, and as if there were no block after it."""
    before = random_state()
    seed_pipelines(seed)
    try:
        yield
    finally:
        set_random_state(before)
