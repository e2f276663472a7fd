"""A block of memory that two processes see: pictures pass through it without a pipe."""

import mmap
import os
from collections.abc import Sequence

import numpy as np

_KEPT_BYTES = 64 << 20


class SharedBlock:
    """One side's view of a block; it grows as arrays are asked for.

    Args:
        descriptor: of a file in memory (``os.memfd_create``), which both processes have open.
    """

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
