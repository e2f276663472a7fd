"""A folder of images as a video: one file per frame, in the order of their numbers."""

from collections.abc import Iterable, Iterator

import av
import av.logging
import numpy as np
from av.video.reformatter import VideoReformatter

from .images import images_in
from .orientation import turn, turned_by
from .tables import FALLBACK_FPS, Table, UnreadableError


class FrameFolder:
    """As :class:`~.video_file.VideoFile`. Images carry no times: 25 per second are assumed."""

    def __init__(self, path: str) -> None:
        self._path, self._names = path, images_in(path)
        if not self._names:
            raise UnreadableError('not_a_file')
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        count = len(self._names)
        self.table = Table(np.arange(count) / FALLBACK_FPS, None, (), 0, count, True)
        self.lost = 0

    def close(self) -> None:
        pass

    def read(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """Pictures (H, W, 3), uint8 RGB, all of the size of the first."""
        for index in indices:
            name = self._names[index]
            before = av.logging.get_last_error()[0]
            try:
                with av.open(f'file:{self._path}/{name}') as image:
                    frame = next(image.decode(video=0))
            except (av.error.FFmpegError, StopIteration, IndexError) as error:
                raise UnreadableError('damaged', name) from error
            if av.logging.get_last_error()[0] != before:
                raise UnreadableError('damaged', name)
            width, height = self._size = self._size or (frame.width, frame.height)
            picture = self._reformatter.reformat(frame, width, height, 'rgb24', threads=1)
            yield turn(picture.to_ndarray(), turned_by(frame))
