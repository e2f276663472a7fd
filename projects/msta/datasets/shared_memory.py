"""A block of memory that two processes see: pictures pass through it without a pipe."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence

import numpy as np

_KEPT_BYTES = 64 << 20


def make_block() -> int:
    """Return a file descriptor of an empty block, to hand to a process that is started."""
    if hasattr(os, 'memfd_create'):
        return os.memfd_create('msta-pictures')
    with tempfile.TemporaryFile() as file:  # no name is left of it
        return os.dup(file.fileno())


class SharedBlock:
    """One side's view of the block of a file descriptor; it grows as arrays are asked for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None

    def array(self, shape: Sequence[int], dtype: str) -> np.ndarray:
        """Return an array in the block, whose content is what either side has last put there."""
        count = int(np.prod(shape))
        size = count * np.dtype(dtype).itemsize
        if size == 0:
            return np.empty(shape, dtype)
        if os.fstat(self._descriptor).st_size < size:
            os.ftruncate(self._descriptor, size)
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self._descriptor, size)
        return np.frombuffer(self._map, dtype, count).reshape(shape)

    def shrink(self) -> None:
        """Give memory back after unusually large pictures. No array may be in use."""
        if os.fstat(self._descriptor).st_size > _KEPT_BYTES:
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        self._map = None
        os.close(self._descriptor)
