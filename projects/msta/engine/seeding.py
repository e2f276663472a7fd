"""Random state that depends on the seed and the epoch alone, so that resuming repeats it."""

from __future__ import annotations

import random

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """Give the 32-bit seed of an epoch (0-based) in the process ``rank``."""
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices) with 32 bits."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the transforms draw from the global state
    torch.manual_seed(seed)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed every epoch from (seed, epoch, rank), and the loader's workers from that.

    MMEngine restores neither the random state nor the workers' when it resumes, and gives a
    worker the same seed in every epoch, so that each repeats the augmentations of the one before.
    Seeded this way, epochs differ, and training resumed at an epoch's end draws what uninterrupted
    training would have drawn. Workers are seeded when they start: those kept over epochs draw on.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Leave the seeding of the training loader's workers to PyTorch.

        It draws their seeds (of Python, NumPy and itself) from the process's random state when
        they start, which is after the epoch is seeded.
        """
        loader = runner.train_dataloader
        loader.worker_init_fn = None
        if loader.persistent_workers:
            runner.logger.warning(
                'train_dataloader keeps its workers over epochs (persistent_workers=True): '
                'training resumed from a checkpoint draws other augmentations than uninterrupted '
                'training; set persistent_workers=False to make both equal'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed the process; the loader starts its workers after this."""
        seed_everything(epoch_seed(runner.seed, runner.epoch, runner.rank))
