"""Videos through a test pipeline, unchanged, some threads ahead of the model."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from torch import Size, Tensor

from .. import register  # noqa: F401
from ..datasets.decoding import VideoDecodeError, close_process
from ..datasets.transforms import MSTAVideoInit
from ..training.config import ConfigError
from .recognizers import use_scope
from .sources import ArrayReader, Source


@dataclass
class Loaded:
    """A video as the model takes it: uint8 views ``(V, C, T, H, W)``, or why not."""

    source: Source
    inputs: Tensor | None
    seconds: float
    error: str | None = None


class VideoLoader:
    """Runs a test pipeline on files and, past its first step, on frames in memory.

    Each of ``workers`` threads has a decoding process of its own, kept between calls.
    """

    def __init__(self, pipeline: Sequence[dict[str, Any]], workers: int = 2) -> None:
        if workers < 1:
            raise ValueError(f'workers={workers} must be at least 1')
        use_scope()
        self.steps = [TRANSFORMS.build(dict(step)) for step in pipeline]
        names = [type(step).__name__ for step in self.steps]
        if 'DecordDecode' not in names or not isinstance(self.steps[0], MSTAVideoInit):
            raise ConfigError(
                'the test pipeline must begin with MSTAVideoInit and hold DecordDecode; it is '
                + ', '.join(names)
            )
        self._decode_step = names.index('DecordDecode')
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None

    def load(self, source: Source) -> Loaded:
        """One video, in this thread."""
        started = time.perf_counter()
        inputs, error = None, source.error
        try:
            if source.frames is not None:
                reader = ArrayReader(source.frames)
                results = _facts(len(reader), reader.get_avg_fps(), video_reader=reader)
                inputs = self._pack(results, self.steps[1:])
            elif error is None:
                results = dict(filename=source.name, start_index=0, modality='RGB', label=-1)
                inputs = self._pack(results, self.steps)
        except VideoDecodeError as failure:
            error = str(failure)
        except Exception as failure:
            # Whatever one video does to the pipeline, the others are still wanted.
            error = f'{source.name}: {type(failure).__name__}: {failure}'
        return Loaded(source, inputs, time.perf_counter() - started, error)

    def load_all(self, sources: Iterable[Source], ahead: int) -> Iterator[Loaded]:
        """Every video in order, with at most ``ahead`` of them waiting to be taken."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix='msta-decode')
        waiting: deque[Future[Loaded]] = deque()
        try:
            for source in sources:
                waiting.append(self._pool.submit(self.load, source))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the threads and their decoding processes; the next video starts new ones."""
        if self._pool is None:
            return
        # The barrier holds each thread until all have one of the tasks: none runs two.
        barrier = threading.Barrier(self._workers)

        def end() -> None:
            barrier.wait()
            close_process()

        for future in [self._pool.submit(end) for _ in range(self._workers)]:
            future.result()
        self._pool.shutdown()
        self._pool = None

    def sample(self, num_frames: int, fps: float) -> np.ndarray:
        """Which frames of a video of ``num_frames`` the pipeline asks for, in its order."""
        return np.asarray(self._sampled(num_frames, fps)['frame_inds']).reshape(-1)

    def finish(self, frames: np.ndarray, num_frames: int, fps: float) -> Tensor:
        """Run the pipeline on a video of which only the frames of :meth:`sample` are at hand."""
        results = self._sampled(num_frames, fps)
        results['frame_inds'] = np.arange(len(frames))
        results['video_reader'] = ArrayReader(frames, fps)
        return self._pack(results, self.steps[self._decode_step :])

    def _sampled(self, num_frames: int, fps: float) -> dict[str, Any]:
        results = _facts(num_frames, fps)
        for step in self.steps[1 : self._decode_step]:
            results = step(results)
        return results

    def _pack(self, results: dict[str, Any], steps: Iterable[Any]) -> Tensor:
        for step in steps:
            results = step(results)
        inputs = results['inputs']
        if not isinstance(inputs, Tensor) or inputs.ndim != 5:
            raise ConfigError('the test pipeline must end in FormatShape (NCTHW), PackActionInputs')
        return inputs


def _facts(num_frames: int, fps: float, **more: Any) -> dict[str, Any]:
    """What the first step of a pipeline would say of a video."""
    facts = dict(start_index=0, modality='RGB', label=-1, total_frames=num_frames, avg_fps=fps)
    return {**facts, **more}


def by_shape(inputs: Sequence[Tensor | None]) -> list[tuple[list[int], Tensor]]:
    """Positions of the tensors of one shape, and these stacked; None belongs to no group."""
    groups: dict[Size, list[int]] = {}
    for index, tensor in enumerate(inputs):
        if tensor is not None:
            groups.setdefault(tensor.shape, []).append(index)
    return [
        (indices, torch.stack([t for i in indices if (t := inputs[i]) is not None]))
        for indices in groups.values()
    ]
