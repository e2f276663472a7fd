"""Training samples that are seeded one by one, in batches that can begin anywhere in an epoch."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_dist_info
from mmengine.runner import IterBasedTrainLoop
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from ..datasets.random_state import seed_pipelines, seeded

_SAMPLE = 1  # apart from the processes' own seeds, of (seed, epoch, rank)


class ResumeError(ValueError):
    """A checkpoint that training cannot be continued from exactly."""


class UnseedableLoaderError(TypeError):
    """A loader that gives no indices of samples, so that they cannot be seeded by them."""


def mix_seed(*parts: int) -> int:
    """Mix non-negative numbers (seed, epoch, rank or index) into a seed of 32 bits."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


@dataclass(frozen=True)
class Sample:
    """What a loader's worker is asked for: the epoch travels with the index."""

    seed: int
    epoch: int
    index: int


class SeededSamples(Dataset):
    """A data set whose :class:`Sample` s draw from (seed, epoch, index), whoever reads them.

    The index is that of this, the outermost data set: a video that a wrapper repeats within an
    epoch is another sample each time. The reading process's own random state stays as it is.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, sample: Any) -> Any:
        if not isinstance(sample, Sample):
            return self.dataset[sample]
        seed = mix_seed(sample.seed, sample.epoch, sample.index, _SAMPLE)
        if get_worker_info() is not None:  # nothing else draws in a worker
            seed_pipelines(seed)
            return self.dataset[sample.index]
        with seeded(seed):
            return self.dataset[sample.index]

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset':  # while it is unpickled in a worker
            raise AttributeError(name)
        return getattr(self.dataset, name)


class SeededBatches(Sampler):
    """A batch sampler's batches from the one numbered ``start`` on, as :class:`Sample` s.

    Those before it are passed over without being read. ``epoch`` is to be set before an epoch's
    first batch is asked for.

    Args:
        batches: the batch sampler; its order must follow from seed and epoch alone.
        seed: of the samples, the same in all processes.
    """

    def __init__(self, batches: Any, seed: int) -> None:
        self.batches, self.seed = batches, seed
        self.epoch = self.start = 0
        self.expected: int | None = None
        self._orders: list[int] = []

    def __getattr__(self, name: str) -> Any:  # .sampler, .batch_size
        if name == 'batches':
            raise AttributeError(name)
        return getattr(self.batches, name)

    @property
    def endless(self) -> bool:
        """Whether there is one epoch without end, in which the data set comes again and again."""
        return isinstance(getattr(self.batches, 'sampler', None), InfiniteSampler)

    @property
    def length(self) -> int:
        """Batches in a whole epoch."""
        return len(self.batches)

    def __len__(self) -> int:
        return self.length - (0 if self.endless else self.start)

    def begin_at(self, start: int, expected: int | None = None) -> None:
        """Begin after ``start`` batches, if those add up to :meth:`order` ``expected``."""
        self.start, self.expected = start, expected

    def order(self, count: int) -> int:
        """Return a number that stands for the indices in the epoch's first ``count`` batches."""
        return self._orders[count - 1] if count else 0

    def __iter__(self) -> Iterator[list[Sample]]:
        if self.endless:  # it goes on where it stopped, and cannot be told to begin
            old = self.batches.sampler
            self.batches.sampler = type(old)(old.dataset, old.shuffle, old.seed)
        rank, world = get_dist_info()
        epoch, start, seen, order = self.epoch, self.start, 0, 0
        self._orders = orders = []
        for number, indices in enumerate(self.batches):
            order = zlib.crc32(repr([int(index) for index in indices]).encode(), order)
            orders.append(order)
            if number + 1 == start and self.expected not in (None, order):
                raise ResumeError(
                    f'the checkpoint was written after {start} batches of an epoch, but the first '
                    f'{start} batches of that epoch are now others: what is left of it cannot be '
                    'told. Use the same list, batch size, sampler and seed, or continue from a '
                    'whole epoch: --resume WORK_DIR/epoch_N.pth'
                )
            if number >= start:
                passes = [epoch] * len(indices)
                if self.endless:
                    size = len(self.batches.sampler)
                    passes = [((seen + i) * world + rank) // size for i in range(len(indices))]
                yield [
                    Sample(self.seed, each, int(index))
                    for each, index in zip(passes, indices, strict=True)
                ]
            seen += len(indices)


def seed_by_sample(loader: DataLoader, seed: int) -> SeededBatches:
    """Let a loader give each sample the random view that (seed, epoch, index) make.

    Raises :class:`UnseedableLoaderError` for one that does not read by index, in batches.
    """
    if isinstance(loader.dataset, IterableDataset) or loader.batch_sampler is None:
        raise UnseedableLoaderError(
            f'train_dataloader: a {type(loader.dataset).__name__} with batch_size='
            f'{loader.batch_size} is not read in batches of indices, so its samples cannot be '
            'seeded by their index and would depend on the number of workers. Use a data set with '
            '__getitem__ and a batch_size, or leave EpochSeedHook out of custom_hooks'
        )
    if isinstance(loader.batch_sampler, SeededBatches):  # by an earlier training of this process
        loader.batch_sampler.seed = seed
        loader.batch_sampler.begin_at(0)
        return loader.batch_sampler
    batches = SeededBatches(loader.batch_sampler, seed)
    # PyTorch refuses an assignment, since an iterator that runs would keep the old: none does.
    vars(loader).update(dataset=SeededSamples(loader.dataset), batch_sampler=batches)
    # Workers that start draw a number, which would come from the process's own random state.
    loader.generator = torch.Generator()
    return batches


def restart_endless(loop: IterBasedTrainLoop, seed: int) -> SeededBatches:
    """Seed the samples of a loop that counts iterations, and begin after those it has done.

    The loop's loader has started already, and is ended; the loop asks for the batches that it has
    done once more, and gets nothing for them.
    """
    for running in (loop.dataloader_iterator._iterator, loop.dataloader._iterator):
        if hasattr(running, '_shutdown_workers'):
            running._shutdown_workers()
    loop.dataloader._iterator = None
    batches = seed_by_sample(loop.dataloader, seed)
    done = itertools.repeat(None, loop.iter)
    loop.dataloader_iterator = itertools.chain(done, _endless(loop.dataloader, batches, loop.iter))
    return batches


def _endless(loader: DataLoader, batches: SeededBatches, done: int) -> Iterator[Any]:
    epoch, start = (0, done) if batches.endless else divmod(done, batches.length)
    batches.begin_at(start, batches.expected)
    sampler: Any = getattr(batches, 'sampler', None)
    while True:
        batches.epoch = epoch
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)
        yield from loader
        batches.begin_at(0)
        epoch += 1
