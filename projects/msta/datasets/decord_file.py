"""A video through decord: the reader of earlier versions, to repeat what they read.

Its pictures by index are other ones than asked for in several kinds of files (docs/data.md).
"""

from collections.abc import Iterable, Iterator

import decord
import numpy as np

from .tables import Table, UnreadableError


class DecordFile:
    """As :class:`~.video_file.VideoFile`, with decord's own count of pictures."""

    def __init__(self, path: str) -> None:
        try:
            self._reader = decord.VideoReader(path, num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise UnreadableError('unreadable', 'by decord') from error
        count, fps = len(self._reader), self._reader.get_avg_fps()
        self.table = Table(np.arange(count) / fps, None, (), 0, count, False)
        self.lost = 0

    def close(self) -> None:
        del self._reader

    def read(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """Pictures (H, W, 3), uint8 RGB."""
        try:
            yield from self._reader.get_batch(list(indices)).asnumpy()
        except (decord.DECORDError, RuntimeError) as error:
            raise UnreadableError('damaged', 'by decord') from error
