"""Label and embed the videos of a list: into shards, resumable, on the engine asked for."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import CollectionError
from .lists import COLUMN, VideoList, open_list
from .local import run_locally
from .output import open_output
from .reading import Job, Reader, Reading
from .recognizing import Answer, Recognizer

ENGINES = ('process', 'ray')


@dataclass(frozen=True)
class Summary:
    """What a run did, and what the folder now holds.

    ``errors`` counts rows with an error in all shards, ``skipped`` the videos of shards that were
    finished before.
    """

    videos: int
    skipped: int
    errors: int
    shards: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """How a list is cut: into shards of videos, and those into jobs."""

    shard_size: int
    job_size: int
    count: int

    @property
    def shards(self) -> int:
        return -(-self.count // self.shard_size)

    def videos_in(self, shard: int) -> int:
        return min(self.shard_size, self.count - shard * self.shard_size)

    def jobs_in(self, shard: int) -> int:
        return -(-self.videos_in(shard) // self.job_size)

    def jobs(self, videos: VideoList, wanted: set[int]) -> Iterator[Job]:
        """The jobs of the wanted shards, in order, as they are asked for."""
        addresses = iter(videos)
        for shard in range(self.shards):
            of_shard = itertools.islice(addresses, self.videos_in(shard))
            for number, first in enumerate(range(0, self.videos_in(shard), self.job_size)):
                part = list(itertools.islice(of_shard, self.job_size))
                if shard in wanted:
                    yield Job(shard, number, shard * self.shard_size + first, part)


def label_collection(
    videos: str | Path,
    out: str | Path,
    *,
    model: Mapping[str, Any] | None = None,
    column: str = COLUMN,
    root: str | Path | None = None,
    topk: int = 5,
    embeddings: bool = False,
    window_sec: float | None = None,
    stride_sec: float | None = None,
    shard_size: int = 2000,
    batch_size: int = 8,
    engine: str = 'process',
    readers: int | None = None,
    recognizers: int | None = None,
    num_gpus: float = 0,
    address: str | None = None,
    retry_failed: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Summary:
    """Write a folder of Parquet shards with a row per video, or per window of each video.

    Finished shards of an earlier run with the same settings are kept. The engine, its numbers and
    the device may change between runs; batches are the same on all of them.

    Args:
        videos: a list, see :func:`open_list`.
        out: the folder.
        model: keywords of :class:`MSTAInferencer`: config, checkpoint, labels, device, ...
        column: of the list, if it has columns.
        root: where relative paths of the list start; by default the current folder.
        topk: labels per row.
        embeddings: whether to keep embeddings, for :mod:`.embeddings`.
        window_sec: slide a window of this length over each video.
        stride_sec: by this step; by default half a window.
        shard_size: videos per shard, which is what an interruption costs at most per reader.
        batch_size: clips that go through the model together.
        engine: ``'process'`` or ``'ray'``.
        readers: threads, or with Ray tasks, that read; by default 2, or with Ray what there is.
        recognizers, num_gpus, address: as in :func:`.on_ray.run_on_ray`.
        retry_failed: do finished shards that hold errors again.
        progress: called with the number of videos of each shard that is finished.

    Raises:
        CollectionError: a list, folder or setting that cannot be used.
        MissingPackageError: a kind of address, or the engine, needs a package.
    """
    if engine not in ENGINES:
        raise CollectionError(f'engine {engine!r} is not one of {", ".join(ENGINES)}')
    sizes = {'topk': topk, 'shard size': shard_size, 'batch size': batch_size}
    for name, size in {**sizes, 'number of readers': readers}.items():
        if size is not None and size < 1:
            raise CollectionError(f'{name} {size} must be at least 1')
    for name, seconds in {'window': window_sec, 'stride': stride_sec}.items():
        if seconds is not None and not seconds > 0:
            raise CollectionError(f'a {name} of {seconds} s must be positive')
    if stride_sec is not None and window_sec is None:
        raise CollectionError('a stride is that of a window: give its length too (--window)')
    if engine == 'ray':
        from .on_ray import run_on_ray
    started = time.perf_counter()
    base = Path.cwd() / (root or '')
    listed = open_list(str(videos), column, base)
    chosen = {**(model or {}), 'batch_size': batch_size}
    # With Ray it only says here what it is.
    here = {**chosen, 'device': 'cpu'} if engine == 'ray' else chosen
    made = Recognizer(here, topk, embeddings)
    reading = Reading(made.inferencer.pipeline, str(base), batch_size, window_sec, stride_sec)
    settings = {
        **made.identity(),
        'window_sec': window_sec,
        'stride_sec': stride_sec,
        'list': listed.digest,
        'videos': listed.count,
        'shard_size': shard_size,
    }
    # A long video is work enough for one job.
    plan = Plan(shard_size, batch_size if window_sec is None else 1, listed.count)
    with open_output(Path(out), settings) as output:
        before = {shard: output.errors_in(shard) for shard in range(plan.shards)}
        wanted = {s for s, errors in before.items() if errors is None or (errors and retry_failed)}
        jobs = plan.jobs(listed, wanted)
        answers: Generator[Answer, None, None]
        if engine == 'ray' and wanted:
            answers = run_on_ray(
                jobs,
                reading,
                dict(model=chosen, topk=topk, embeddings=embeddings),
                made.identity(),
                address=address,
                readers=readers,
                recognizers=recognizers,
                num_gpus=num_gpus,
            )
        else:
            answers = run_locally(jobs, Reader(reading), made, readers or 2)
        with closing(answers):
            for answer in answers:
                if output.add(answer, plan.jobs_in(answer.shard)) and progress is not None:
                    progress(plan.videos_in(answer.shard))
        errors = sum(output.errors_in(shard) or 0 for shard in range(plan.shards))
    skipped = sum(plan.videos_in(shard) for shard in before if shard not in wanted)
    return Summary(listed.count, skipped, errors, plan.shards, time.perf_counter() - started)
