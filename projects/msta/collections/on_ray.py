"""Many machines: readers as tasks on CPUs and recognizers as actors, by Ray Data.

Ray Data streams parts from readers to recognizers, holds readers back while recognizers are busy,
and does the tasks of a lost process or machine again elsewhere. The project, the weights and local
videos have the same paths on every machine.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..paths import ROOT
from . import CollectionError, MissingPackageError
from .reading import Job, Reader, Reading
from .recognizing import Answer, Recognizer

try:
    import ray
    import ray.data
except ImportError as error:
    raise MissingPackageError(
        '--engine ray needs Ray: pip install -r requirements/ray.txt, on every machine'
    ) from error

# Jobs that Ray is given at a time, which bounds the memory of the process that plans them.
_JOBS_AT_A_TIME = 20_000


class RayRecognizer:
    """A :class:`Recognizer` as an actor, which refuses to work if it has become another one."""

    def __init__(self, settings: Mapping[str, Any], identity: Mapping[str, Any], cwd: str) -> None:
        _enter(cwd)
        self.recognizer = Recognizer(**settings)
        here = self.recognizer.identity()
        differing = [key for key in identity if identity[key] != here.get(key)]
        if differing:
            raise CollectionError(
                f'{ray.util.get_node_ip_address()} has another model than the machine that plans: '
                f'{", ".join(differing)} differ; put the same files there'
            )

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        (part,) = batch['part']
        return {'answer': _column(self.recognizer.recognise(part))}


def run_on_ray(
    jobs: Iterable[Job],
    reading: Reading,
    recognizer: Mapping[str, Any],
    identity: Mapping[str, Any],
    *,
    address: str | None = None,
    readers: int | None = None,
    recognizers: int | None = None,
    num_gpus: float = 0,
) -> Generator[Answer, None, None]:
    """Answers as they are done, in any order.

    Args:
        jobs: what to read.
        reading: how.
        recognizer: keywords of :class:`Recognizer`.
        identity: what each recognizer has to be.
        address: of a running cluster, as in ``ray.init``; None starts Ray on this machine.
        readers: the most readers at a time, with a CPU each; None for what the cluster has.
        recognizers: how many actors; None for as many as there are GPUs for, else one.
        num_gpus: GPUs of each actor; below 1 they share one.
    """
    begun = not ray.is_initialized()
    if begun:
        _connect(address)
    try:
        recognizers = count_recognizers(ray.cluster_resources(), recognizers, num_gpus)
        cwd = str(Path.cwd())
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        actor = dict(
            fn_constructor_args=(recognizer, identity, cwd),
            compute=ray.data.ActorPoolStrategy(size=recognizers),
            num_gpus=num_gpus or None,
            batch_size=1,
        )
        # Without a limit, which is the default. Said here because unequal arguments keep Ray from
        # putting a reader and a recognizer into one process, where they would take turns.
        reads = dict(fn_args=(reading, cwd), batch_size=1, num_cpus=1, max_calls=0)
        if readers is not None:
            reads['compute'] = ray.data.TaskPoolStrategy(size=readers)
        remaining = iter(jobs)
        while planned := list(itertools.islice(remaining, _JOBS_AT_A_TIME)):
            items = [{'job': job} for job in planned]
            given = ray.data.from_items(items, override_num_blocks=len(items))
            answers = given.map_batches(_read, **reads).map_batches(RayRecognizer, **actor)
            for row in answers.iter_rows():
                yield row['answer']
    except ray.exceptions.RayError as error:
        raise CollectionError(f'Ray gave up: {_said(error)}') from error
    finally:
        if begun:
            ray.shutdown()


def count_recognizers(
    resources: Mapping[str, float], recognizers: int | None, num_gpus: float
) -> int:
    """Return how many actors a cluster of these resources gets.

    Raises:
        CollectionError: it cannot hold them beside a reader, and Ray would wait without an end.
    """
    gpus, cpus = resources.get('GPU', 0), resources.get('CPU', 0)
    if recognizers is None:
        recognizers = max(1, int(gpus / num_gpus)) if num_gpus else 1
    if recognizers < 1 or num_gpus < 0:
        raise CollectionError(f'{recognizers} recognizers with {num_gpus} GPUs each: at least 1')
    if gpus < recognizers * num_gpus:
        raise CollectionError(
            f'{recognizers} recognizers with {num_gpus:g} GPUs each need '
            f'{recognizers * num_gpus:g}, the cluster has {gpus:g} (--recognizers, --num-gpus)'
        )
    # An actor with a GPU takes no CPU.
    need = 1 + (0 if num_gpus else recognizers)
    if cpus < need:
        raise CollectionError(
            f'{recognizers} recognizers and a reader need {need} CPUs, the cluster has {cpus:g} '
            '(--recognizers)'
        )
    return recognizers


def _connect(address: str | None) -> None:
    for name in ('ray', 'ray.data'):
        logging.getLogger(name).setLevel(logging.WARNING)
    variables = {'PYTHONPATH': str(ROOT)}
    options: dict[str, Any] = {'include_dashboard': False} if address is None else {}
    try:
        ray.init(
            address,
            runtime_env={'env_vars': variables},
            log_to_driver=False,
            logging_level=logging.WARNING,
            **options,
        )
    except (ConnectionError, ValueError) as error:
        raise CollectionError(f'--address {address}: no Ray cluster there: {error}') from error


# Of this process; Ray keeps processes, and with them a reader's decoding process, between tasks.
_readers: dict[str, Reader] = {}


def _read(batch: dict[str, np.ndarray], reading: Reading, cwd: str) -> Iterator[dict[str, Any]]:
    """The parts of a job, one by one."""
    _enter(cwd)
    key = repr(reading)
    if key not in _readers:
        _readers[key] = Reader(reading)
    (job,) = batch['job']
    for part in _readers[key].read(job):
        yield {'part': _column(part)}


def _column(item: object) -> np.ndarray:
    """A column of one row; NumPy would make several of an object that is a sequence."""
    column = np.empty(1, dtype=object)
    column[0] = item
    return column


def _enter(cwd: str) -> None:
    """Make relative paths mean what they mean where the collection was started."""
    try:
        os.chdir(cwd)
    except OSError as error:
        raise CollectionError(
            f'{ray.util.get_node_ip_address()} has no folder {cwd}, where the collection was '
            'started: paths are the same on all machines'
        ) from error


def _said(error: BaseException) -> str:
    """The last line of what a worker said: its own error."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
