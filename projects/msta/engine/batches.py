"""Training samples that are seeded one by one, in batches that can begin anywhere in an epoch."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from ..datasets.random_state import seed_pipelines, seeded

_SAMPLE = 1  # apart from the processes' own seeds, of (seed, epoch, rank)


class ResumeError(ValueError):
    """A checkpoint that training cannot be continued from exactly."""


class UnseedableLoaderError(ValueError):
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

    Those before it are skipped without being read. Set ``epoch`` before an epoch's first batch is
    asked for.

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
    def length(self) -> int:
        """Batches in a whole epoch."""
        return len(self.batches)

    def __len__(self) -> int:
        return self.length - self.start

    def begin_at(self, start: int, expected: int | None = None) -> None:
        """Begin after ``start`` batches, whose :meth:`order` must be ``expected`` if given."""
        self.start, self.expected = start, expected

    def order(self, count: int) -> int:
        """Return a checksum of the indices in the epoch's first ``count`` batches."""
        return self._orders[count - 1] if count else 0

    def __iter__(self) -> Iterator[list[Sample]]:
        epoch, start, order = self.epoch, self.start, 0
        self._orders = orders = []
        for number, batch in enumerate(self.batches):
            indices = [int(index) for index in batch]
            order = zlib.crc32(repr(indices).encode(), order)
            orders.append(order)
            if number + 1 == start and self.expected not in (None, order):
                raise ResumeError(
                    f'the checkpoint was written after {start} batches of an epoch, but the first '
                    f'{start} batches of that epoch are now others: the rest of it is not known. '
                    'Use the same list, batch size, sampler and seed, or continue from a '
                    'whole epoch: --resume WORK_DIR/epoch_N.pth'
                )
            if number >= start:
                yield [Sample(self.seed, epoch, index) for index in indices]


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
