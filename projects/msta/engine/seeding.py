"""Random state that depends on the seed and the epoch alone, so that resuming repeats it."""

from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ..datasets.random_state import seed_pipelines
from .batches import SeededBatches, UnseedableLoaderError, mix_seed, seed_by_sample


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch (all devices) with 32 bits."""
    seed_pipelines(seed)
    torch.manual_seed(seed)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed every training sample from (seed, epoch, index), and each process from (seed, epoch).

    MMEngine seeds workers when they start: a sample's random view depends on which worker reads it
    and on what that has read before, and an epoch's views are those of the epoch before. Seeded one
    by one, samples have the same views under any number of workers and processes, whether workers
    are kept over epochs or not, and none need be read for the sake of those after it.

    What a process draws itself (dropout) follows from (seed, epoch, rank), so that training resumed
    at an epoch's end draws what uninterrupted training would have.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._batches: SeededBatches | None = None

    def before_train(self, runner: Runner) -> None:
        """Have the training loader seed its samples."""
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop):
            raise UnseedableLoaderError(
                f'train_cfg: {type(loop).__name__} has no epochs, which samples are seeded by. '
                'Use EpochBasedTrainLoop, or leave EpochSeedHook out of custom_hooks'
            )
        seeds = [runner.seed]
        broadcast_object_list(seeds)  # with diff_rank_seed, each process has another
        _seed_sampler(runner, seeds[0])
        self._batches = seed_by_sample(loop.dataloader, seeds[0])

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed the process, and the samples that are asked for from now on."""
        assert self._batches is not None
        self._batches.epoch = runner.epoch
        seed_everything(mix_seed(runner.seed, runner.epoch, runner.rank))


def _seed_sampler(runner: Runner, seed: int) -> None:
    """Give the sampler the seed of the training that is resumed.

    The Runner takes it from the checkpoint, but built the sampler before it had read that.
    """
    loader = runner.cfg.get('train_dataloader')
    configured = loader.get('sampler') if isinstance(loader, dict) else None
    sampler: Any = getattr(runner.train_dataloader.batch_sampler, 'sampler', None)
    if isinstance(configured, dict) and not configured.get('seed') and hasattr(sampler, 'seed'):
        sampler.seed = seed
