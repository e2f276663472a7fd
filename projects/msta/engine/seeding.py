"""Random state that depends on the seed and the epoch alone, so that resuming repeats it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import get_worker_info

from .wrapped import flatten_datasets


def mix_seed(*parts: int) -> int:
    """Mix non-negative numbers (seed, epoch, rank, worker) into a seed of 32 bits."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices) with 32 bits."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the transforms draw from the global state
    torch.manual_seed(seed)


class _EpochFollower:
    """Seeds a loader's worker when the epoch, held in shared memory, has changed."""

    def __init__(self, epoch: torch.Tensor, seed: int, rank: int, worker: int) -> None:
        self.epoch, self.seed, self.rank, self.worker = epoch, seed, rank, worker
        self.seeded = -1

    def follow(self) -> None:
        epoch = int(self.epoch)
        if epoch != self.seeded:
            seed_everything(mix_seed(self.seed, epoch, self.rank, self.worker))
            self.seeded = epoch


class _SeededPipeline:
    """A data set's pipeline, in a worker, that follows the epochs."""

    def __init__(self, pipeline: Callable[[dict], Any], follower: _EpochFollower) -> None:
        self.pipeline, self.follower = pipeline, follower

    def __call__(self, data: dict) -> Any:
        self.follower.follow()
        return self.pipeline(data)


def start_worker(worker_id: int, epoch: torch.Tensor, seed: int, rank: int) -> None:
    """Seed a worker that starts, and let it follow the epochs if it is kept over them.

    It takes up an epoch's first sample only after the epoch was written to ``epoch``, and has
    taken the last before the next is.
    """
    follower = _EpochFollower(epoch, seed, rank, worker_id)
    follower.follow()
    info = get_worker_info()
    for dataset in flatten_datasets(info.dataset if info else None):
        if hasattr(dataset, 'pipeline'):
            dataset.pipeline = _SeededPipeline(dataset.pipeline, follower)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed every epoch from (seed, epoch, rank), and the loader's workers from that.

    MMEngine restores neither the random state nor the workers' when it resumes, and gives a worker
    that starts the same seed in every epoch, so that each repeats the augmentations of the one
    before. Seeded this way, epochs differ, and training resumed at an epoch's end draws what
    uninterrupted training would have drawn, whether workers are kept over epochs or not.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def before_train(self, runner: Runner) -> None:
        """Let the training loader's workers follow the epochs."""
        runner.train_dataloader.worker_init_fn = partial(
            start_worker, epoch=self._epoch, seed=runner.seed, rank=runner.rank
        )

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed the process, and tell the workers, which take their first samples after this."""
        self._epoch.fill_(runner.epoch)
        seed_everything(mix_seed(runner.seed, runner.epoch, runner.rank))
