"""Video readers with the part of decord's interface that MMAction2's DecordDecode calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .decoding import check_file, current_process


class FrameBatch:
    """Frames (N, H, W, 3), uint8 RGB, with the one method of decord's arrays that is used."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames

    def asnumpy(self) -> np.ndarray:
        return self._frames


class IsolatedReader:
    """The part of ``decord.VideoReader`` that MMAction2's accurate DecordDecode calls.

    Every call is bounded by `limit_sec`; all failures are :class:`VideoDecodeError`.
    """

    def __init__(self, path: str, limit_sec: float = 60.0) -> None:
        check_file(path)
        self.path, self.limit_sec = path, limit_sec
        header, _ = current_process().request(path, None, limit_sec)
        self._num_frames, self._fps = header['num_frames'], header['fps']

    def __len__(self) -> int:
        return self._num_frames

    def get_avg_fps(self) -> float:
        return self._fps

    def get_batch(self, indices: Sequence[int]) -> FrameBatch:
        _, frames = current_process().request(self.path, indices, self.limit_sec)
        assert frames is not None
        return FrameBatch(frames)


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
