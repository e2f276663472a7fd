"""Does what a plan asks for and is not done; can be killed at any time and run again. No torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue
from typing import IO, TYPE_CHECKING, Any

from ..files import write_json, write_text
from ..training.launch import find_resumable
from .definitions import ProtocolError
from .manifest import (
    check_same,
    digest_of_file,
    evaluation_identity,
    package_versions,
    read_json,
    training_identity,
    views,
    write_manifest,
)
from .plan import Evaluation, Plan, Run
from .processes import Processes, locked, say

if TYPE_CHECKING:
    from mmengine.config import Config

# MMEngine formats a config with yapf, which is not made for several threads.
_dumping = threading.Lock()


def run_plan(plan: Plan, jobs: int = 1, overwrite: bool = False, port: int = 29500) -> None:
    """Train what is missing, then test what is missing, ``jobs`` runs side by side.

    With ``overwrite`` what was made from something else is trained again, instead of refused.

    Raises:
        ProtocolError: a run was made from something else, and nothing is done; or parts failed,
            naming each, and the others are done.
    """
    work = _Work(plan, Processes(plan.request.processes, jobs, port), overwrite)
    for run in plan.runs:  # before hours of training the others
        work.identity(run)
    failures = _side_by_side(
        jobs, work.processes, [(run.name, partial(work.train, run)) for run in plan.runs]
    )
    failed = {name for name, _ in failures}
    with locked(plan.report_dir) as lock:
        missing = work.missing_tests([run for run in plan.runs if run.name not in failed])
        if not missing:
            say('tested before')
        shares = [missing[number::jobs] for number in range(min(jobs, len(missing)))]
        failures += _side_by_side(
            jobs,
            work.processes,
            [(f'tests {n}', partial(work.test, share, lock)) for n, share in enumerate(shares, 1)],
        )
    for run in plan.runs:
        result = read_json(run.tests[0].result)
        if result is not None and (run.folder / 'manifest.json').is_file():
            write_manifest(
                run.folder,
                foundation_fingerprint=result['fingerprint'],
                trainable_parameters=result['trainable_parameters'],
                views=views(run.tests[0].config),
            )
    if failures:
        raise ProtocolError(
            f'{len(failures)} parts failed; the same command does what is missing:\n'
            + '\n'.join(f'{name}: {error}' for name, error in failures)
        )


def _side_by_side(
    jobs: int, processes: Processes, tasks: Sequence[tuple[str, Callable[[int], None]]]
) -> list[tuple[str, Exception]]:
    """Do named tasks, each given a free slot; give those that failed."""
    slots: Queue[int] = Queue()
    for slot in range(jobs):
        slots.put(slot)

    def in_slot(task: Callable[[int], None]) -> None:
        slot = slots.get()
        try:
            task(slot)
        finally:
            slots.put(slot)

    failures: list[tuple[str, Exception]] = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = [(name, pool.submit(in_slot, task)) for name, task in tasks]
        try:
            for name, future in futures:
                try:
                    future.result()
                except (ProtocolError, OSError, ValueError) as error:
                    say(f'{name}: failed: {str(error).partition(chr(10))[0]}')
                    failures.append((name, error))
        except BaseException:
            processes.stop()
            for _, future in futures:
                future.cancel()
            raise
    return failures


class _Work:
    """The parts of a plan; a training holds the lock of its folder."""

    def __init__(self, plan: Plan, processes: Processes, overwrite: bool) -> None:
        self.plan, self.processes, self.overwrite = plan, processes, overwrite

    def _checkpoint(self, run: Run) -> Path:
        if self.plan.request.select == 'last':
            return run.last_checkpoint
        best = sorted(run.folder.glob('best_*.pth'))
        if len(best) != 1:
            raise ProtocolError(f'{run.folder} has {len(best)} best checkpoints, expected one')
        return best[0]

    def identity(self, run: Run) -> dict[str, Any]:
        """What a training is made from, unless its folder holds one made from something else."""
        identity = training_identity(run.config, self.plan.request.processes)
        identity['amp'] = self.plan.request.amp
        if not self.overwrite:
            check_same(run.folder, identity)
        return identity

    def train(self, run: Run, slot: int) -> None:
        """Train a run, or continue, unless it is done."""
        with locked(run.folder) as lock:
            self._train(run, lock, slot)

    def _train(self, run: Run, lock: IO[str], slot: int) -> None:
        identity = self.identity(run)
        manifest = read_json(run.folder / 'manifest.json') or {}
        if manifest.get('identity', identity) != identity:
            # What was tested of it is known by its checkpoint's hash.
            for old in [*run.folder.glob('*.pth'), *run.folder.glob('last_checkpoint')]:
                old.unlink()
            (run.folder / 'manifest.json').unlink()
            manifest = {}
        if manifest.get('finished') and run.last_checkpoint.is_file():
            say(f'{run.name}: trained before')
            return
        config = run.folder / 'configs' / 'train.py'
        dump_config(run.config, config)
        resuming = find_resumable(run.folder, 'auto') is not None
        request, cfg = self.plan.request, run.config
        write_manifest(
            run.folder,
            protocol=request.protocol,
            dataset=request.dataset,
            cell=run.cell.name,
            seed=run.cell.seed,
            identity=identity,
            packages=package_versions(),
            config=str(config),
            train_list=cfg.train_dataloader.dataset.ann_file,
            labels=str(cfg.model.labels),
            descriptions=cfg.model.get('descriptions'),
            foundation=cfg.model.backbone.foundation.get('checkpoint'),
            selection=request.select,
        )
        say(f'{run.name}: training {"continues" if resuming else "starts"}')
        started = time.perf_counter()
        arguments = [config, '--work-dir', run.folder, '--resume', *['--amp'] * request.amp]
        log = run.folder / 'train.log'
        self.processes.run('train', arguments, slot, log, lock, run.name)
        last = run.last_checkpoint
        if not last.is_file():
            raise ProtocolError(f'training ended without {last}; see {log}')
        seconds = round(time.perf_counter() - started, 1)
        write_manifest(
            run.folder,
            finished=True,
            interrupted=resuming,
            training_seconds=seconds,
            checkpoint={'file': last.name, 'sha256': digest_of_file(last)},
        )
        say(f'{run.name}: trained in {seconds:.0f} s')

    def missing_tests(self, runs: Sequence[Run]) -> list[dict[str, Any]]:
        """Jobs for ``evaluate``: tests of the frozen and of trained models that have no result."""
        frozen = {e.result: e for run in self.plan.runs for e in run.frozen}
        wanted: list[tuple[Evaluation, Path | None]] = [(e, None) for e in frozen.values()]
        wanted += [(e, self._checkpoint(run)) for run in runs for e in run.tests]
        jobs = []
        for evaluation, checkpoint in wanted:
            identity = evaluation_identity(evaluation.config, checkpoint)
            if (read_json(evaluation.result) or {}).get('identity') == identity:
                continue
            config = evaluation.result.with_suffix('.py')
            dump_config(evaluation.config, config)
            jobs.append(
                {
                    'config': str(config),
                    'checkpoint': None if checkpoint is None else str(checkpoint),
                    'result': str(evaluation.result),
                    'work_dir': str(self.plan.report_dir / 'logs'),
                    'identity': identity,
                }
            )
        return jobs

    def test(self, jobs: Sequence[dict[str, Any]], lock: IO[str], slot: int) -> None:
        """Run tests, all in one process."""
        say(f'{len(jobs)} test{"s" if len(jobs) > 1 else ""} to do')
        path = self.plan.report_dir / f'tests_{slot}.json'
        write_json(path, {'launcher': self.processes.launcher, 'tests': list(jobs)}, indent=1)
        log = self.plan.report_dir / f'test_{slot}.log'
        self.processes.run('evaluate', [path], slot, log, lock, 'testing')
        path.unlink()


def dump_config(cfg: Config, path: Path) -> None:
    """Write a resolved config that the tools take as it is."""
    with _dumping:
        write_text(path, cfg.pretty_text)
