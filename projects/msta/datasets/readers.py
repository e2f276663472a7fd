"""The one reader of videos, and stand-ins, with what MMAction2's DecordDecode calls of a reader."""

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .decoding import DECODERS, DecodeProcess, check_file, current_process


class DamagedVideoWarning(UserWarning):
    """A video of which some pictures are not what was filmed."""


class FrameBatch:
    """Frames (N, H, W, 3), uint8 RGB, with the one method of decord's arrays that is used."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames

    def asnumpy(self) -> np.ndarray:
        return self._frames


class IsolatedReader:
    """A video file, or a folder of images, read in a process that a broken file may hang or crash.

    Index i is the i-th picture of a decode in order; its length is the number of pictures that such
    a decode shows, whatever the file says of itself. Pictures are turned and mirrored as the file
    asks. All failures are :class:`VideoDecodeError`.

    Args:
        path: any name that the system takes.
        limit_sec: the longest that opening or reading may take.
        decoder: 'pyav', or 'decord', which repeats earlier versions with their errors.
        threads: of the decoder; 0 for its own choice.
        whole: decode everything first, however long the file: every damaged picture is counted,
            and there is no warning.
        patient: let an opening that gets on take as long as it needs.
        process: the process to read with, kept at the last picture; by default this thread's.
    """

    def __init__(
        self,
        path: str,
        limit_sec: float = 60.0,
        *,
        decoder: str = 'pyav',
        threads: int = 1,
        whole: bool = False,
        patient: bool = False,
        process: DecodeProcess | None = None,
    ) -> None:
        if decoder not in DECODERS:
            raise ValueError(f'decoder={decoder!r} must be one of {", ".join(DECODERS)}')
        check_file(path)
        self.path, self.limit_sec = path, limit_sec
        self._process = process
        self._options: dict[str, Any] = dict(
            decoder=decoder,
            threads=threads,
            whole=whole,
            patient=patient,
            keep=process is not None,
        )
        header, _ = self._request('open')
        self._num_frames, self._fps = header['num_frames'], header['fps']
        self.kind: Sequence[str] = header['kind']  # container, codec, pixel format, where known
        self.damaged: int = header['damaged']
        self.damaged_share: float = self.damaged / max(1, header['total'])
        if self.damaged and not whole:  # who asks for all of it looks at the number
            self._warn(f'{self.damaged} of {header["total"]} pictures are damaged or missing')

    def __len__(self) -> int:
        return self._num_frames

    def get_avg_fps(self) -> float:
        return self._fps

    @cached_property
    def times(self) -> np.ndarray:
        """When each picture is shown, in seconds since the first, by its time stamp."""
        _, times = self._request('times')
        assert times is not None
        return times

    def get_batch(self, indices: Sequence[int]) -> FrameBatch:
        wanted = [int(index) for index in indices]
        if not wanted or min(wanted) < 0 or max(wanted) >= len(self):
            raise IndexError(f'{self.path}: pictures {wanted} of {len(self)}')
        header, frames = self._request('read', wanted)
        if header['lost']:
            self._warn(f'{header["lost"]} pictures could not be decoded, the ones before are shown')
        assert frames is not None
        return FrameBatch(frames)

    def _request(self, op: str, indices: Sequence[int] = ()) -> tuple[dict, np.ndarray | None]:
        process = self._process or current_process()
        return process.request(op, self.path, self.limit_sec, indices, **self._options)

    def _warn(self, message: str) -> None:
        warnings.warn(f'{self.path}: {message}', DamagedVideoWarning, stacklevel=3)


def read_frames(path: str | Path, count: int = 8) -> np.ndarray:
    """Read frames ``(count, H, W, 3)``, uint8 RGB, at equal distances, as a test clip does.

    Raises:
        VideoDecodeError: the video cannot be read.
    """
    reader = IsolatedReader(str(path))
    total = len(reader)
    picked = [(2 * number + 1) * total // (2 * count) for number in range(count)]
    return reader.get_batch(picked).asnumpy()


class BlankReader:
    """Black frames: stands in for an unreadable test video, whose score is never counted."""

    def __init__(self, num_frames: int = 32, height: int = 256, width: int = 340) -> None:
        self._shape = (num_frames, height, width, 3)

    def __len__(self) -> int:
        return self._shape[0]

    def get_avg_fps(self) -> float:
        return 25.0

    def get_batch(self, indices: Sequence[int]) -> FrameBatch:
        return FrameBatch(np.zeros((len(indices), *self._shape[1:]), np.uint8))
