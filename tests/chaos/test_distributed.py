"""Training by two processes: one is killed, or all are told to stop."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.trainings import outcome
from tests.tools.test_train_and_test import free_port

_LIMIT_SEC = 240.0


class Job:
    """tools/dist_train.sh with two processes, in a session of its own."""

    def __init__(self, experiment, work_dir: Path, *arguments: object, epochs: int = 4) -> None:
        self.work_dir, self.log = work_dir, work_dir.with_name(f'{work_dir.name}.log')
        options = ['train_dataloader.batch_size=1', f'train_cfg.max_epochs={epochs}']
        command = experiment.command(
            'dist_train.sh', experiment.random, 2, '--work-dir', work_dir, *arguments,
            '--cfg-options', *options,
        )  # fmt: skip
        environment = {**os.environ, 'PORT': free_port()}
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, 'PYTHON': os.sys.executable},
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ranks(self) -> dict[int, int]:
        """The process of each rank."""
        children = Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children').read_text()
        found = {}
        for pid in map(int, children.split()):
            with contextlib.suppress(OSError):
                environment = Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
                rank = [each for each in environment if each.startswith(b'RANK=')]
                if rank:
                    found[int(rank[0].removeprefix(b'RANK='))] = pid
        return found

    def until(self, reached) -> None:
        deadline = time.monotonic() + _LIMIT_SEC
        while not reached():
            assert self.process.poll() is None and time.monotonic() < deadline, self.said
            time.sleep(0.01)


@contextlib.contextmanager
def job(*arguments: object, **options: int) -> Iterator[Job]:
    made = Job(*arguments, **options)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            for pid in [made.process.pid, *made.ranks().values()]:
                os.kill(pid, signal.SIGKILL)
        made.process.wait()


def test_killed_rank_ends_the_job(experiment, chaos, tmp_path):
    slowest = 0.0
    for rank in (1, 0)[: chaos.times(1, 2)]:
        with (
            chaos.attempt('one of two processes killed (SIGKILL)') as attempt,
            job(experiment, tmp_path / str(rank), epochs=100) as running,
        ):
            running.until((running.work_dir / 'epoch_2.pth').exists)
            victim = running.ranks()[rank]
            os.kill(victim, signal.SIGKILL)
            started = time.monotonic()
            status = running.process.wait(60)
            took = time.monotonic() - started
            assert status == 1, running.said
            line = f'error: rank {rank} (process {victim}) was killed by SIGKILL'
            assert line in running.said
            attempt.seen = f'"error: rank {rank} (process PID) was killed by SIGKILL ..."'
            slowest = max(slowest, took)
    print(f'a job with a killed process ended within {slowest:.1f} s')


@pytest.mark.parametrize('number', [signal.SIGTERM])
def test_job_told_to_stop(experiment, chaos, tmp_path, number):
    if not chaos.full:
        pytest.skip('takes a minute; make chaos')
    with job(experiment, tmp_path / 'straight') as undisturbed:
        assert undisturbed.process.wait(_LIMIT_SEC) == 0, undisturbed.said
    with chaos.attempt(f'{number.name} to dist_train.sh with two processes') as attempt:
        with job(experiment, tmp_path / 'run') as running:
            running.until((running.work_dir / 'epoch_1.pth').exists)
            running.process.send_signal(number)
            assert running.process.wait(60) == 128 + number, running.said
            assert running.said.count('Interrupted by SIGTERM') == 1
        with job(experiment, tmp_path / 'run', '--resume') as resumed:
            assert resumed.process.wait(_LIMIT_SEC) == 0, resumed.said
        assert outcome(tmp_path / 'run') == outcome(tmp_path / 'straight')
        attempt.seen = (
            f'"Interrupted by {number.name} ...", status {128 + number}; `--resume` ends in the '
            'same weights and metrics, bit for bit'
        )
