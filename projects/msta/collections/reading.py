"""From a job, some neighbours of a list, to parts: clips as the model takes them.

Engines differ in where this runs. What a part holds depends on the list and the settings alone, so
that each batch of the model, and with it every answer, is the same on every engine.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.decoding import VideoDecodeError, close_process
from ..datasets.readers import DamagedVideoWarning
from ..inference.loading import VideoLoader
from ..inference.sources import Source
from ..inference.streams import StreamError, open_stream
from ..inference.windows import iter_windows
from .addresses import absolute, local_file


@dataclass(frozen=True)
class Job:
    """Videos that are read together: ``first`` is the place of the first in the list, from 0.

    ``number`` counts the jobs of a shard.
    """

    shard: int
    number: int
    first: int
    addresses: list[str]


@dataclass(frozen=True)
class Clip:
    """A video, or a window of one: views ``(V, C, T, H, W)``, uint8, or why there are none."""

    index: int
    path: str
    inputs: np.ndarray | None
    start_sec: float | None = None
    end_sec: float | None = None
    warning: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Part:
    """A batch of clips of a job; ``last`` marks the part with which the job ends."""

    shard: int
    job: int
    number: int
    last: bool
    clips: list[Clip]


@dataclass(frozen=True)
class Reading:
    """How videos are read: the test pipeline, clips per part, and windows if ``window_sec``."""

    pipeline: Sequence[dict[str, Any]]
    root: str
    batch_size: int
    window_sec: float | None
    stride_sec: float | None


class Reader:
    """Reads jobs. Its decoding process belongs to the thread that reads."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.loader = VideoLoader(reading.pipeline, workers=1)
        _listen()

    def read(self, job: Job) -> Iterator[Part]:
        """The parts of a job, as they are read."""
        clips: list[Clip] = []
        number = 0
        for index, address in enumerate(job.addresses, job.first):
            for clip in self._clips(index, address):
                if len(clips) == self.reading.batch_size:
                    yield Part(job.shard, job.number, number, False, clips)
                    number, clips = number + 1, []
                clips.append(clip)
        yield Part(job.shard, job.number, number, True, clips)

    def _clips(self, index: int, address: str) -> Iterator[Clip]:
        """The clips of a video. One that fails ends in a clip with an error."""
        given, file = absolute(address, Path(self.reading.root)), address
        heard = _heard.texts = []
        try:
            with local_file(given) as file:
                for start_sec, end_sec, inputs in self._views(file):
                    # A copy's name would be another one each time, and says nothing.
                    warning = '; '.join(heard).replace(file, address) or None
                    yield Clip(index, address, inputs, start_sec, end_sec, warning)
        except (VideoDecodeError, StreamError) as error:
            yield Clip(index, address, None, error=str(error).replace(file, address))
        except Exception as error:
            # Whatever one video does, the others are still wanted.
            reason = f'{type(error).__name__}: {error}'.replace(file, address)
            yield Clip(index, address, None, error=f'{address}: {reason}')

    def _views(self, file: str) -> Iterator[tuple[float | None, float | None, np.ndarray]]:
        window, stride = self.reading.window_sec, self.reading.stride_sec
        if window is None:
            loaded = self.loader.load(Source(file))
            if loaded.inputs is None:
                raise StreamError(loaded.error)
            yield None, None, loaded.inputs.numpy()
            return
        stream = open_stream(os.fspath(file))
        try:
            for found in iter_windows(stream, self.loader, window, stride or window / 2):
                yield found.start_sec, found.end_sec, found.inputs.numpy()
        finally:
            stream.close()

    def close(self) -> None:
        """End the decoding process of this thread."""
        close_process()


_heard = threading.local()


def _listen() -> None:
    """Have warnings of damaged videos go to the rows of the video that the thread reads.

    They would be lost among those of a hundred machines. All others go where they went.
    """
    shown = warnings.showwarning
    if shown.__module__ == __name__:
        return

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        texts = getattr(_heard, 'texts', None)
        if texts is not None and issubclass(category, DamagedVideoWarning):
            texts.append(str(message))
        else:
            shown(message, category, *place, **more)

    warnings.showwarning = show
    warnings.simplefilter('always', DamagedVideoWarning)
