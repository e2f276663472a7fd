"""Data sets inside MMEngine's wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def flatten_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets below MMEngine's wrappers (``RepeatDataset``, ``ConcatDataset`` ...)."""
    if hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from flatten_datasets(part)
    elif hasattr(dataset, 'dataset'):
        yield from flatten_datasets(dataset.dataset)
    else:
        yield dataset
