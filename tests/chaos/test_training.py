"""Trainings that are killed, stopped, starved of disk, or started twice lose nothing."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from projects.msta.training.launch import find_resumable
from tests.chaos.trainings import Trainer, Training, outcome

KINDS = ('between iterations', 'in validation', 'while a checkpoint is written')


@pytest.fixture(scope='module')
def trainer(experiment) -> Trainer:
    config = experiment.folder / 'watched.py'
    config.write_text(
        f"_base_ = ['{experiment.random}']\n"
        "default_hooks = dict(progress=dict(type='Progress'))\n"
        'val_dataloader = dict(batch_size=1)\n'
    )
    return Trainer(config)


@pytest.fixture(scope='module')
def straight(trainer, tmp_path_factory) -> dict:
    """What the undisturbed training comes to."""
    work_dir = tmp_path_factory.mktemp('straight') / 'run'
    trainer.run(work_dir)
    return outcome(work_dir)


def disturb(training: Training, kind: str, rng: random.Random, number: int) -> str:
    """Send a signal at a random moment of a kind; say in which kind it landed."""
    epoch, iteration = rng.randrange(1, 5), rng.randrange(16)
    progress = training.progress
    if kind == KINDS[0]:
        reached = lambda: progress[0] and progress[1] + 4 * (progress[0] == 2) >= iteration  # noqa: E731
        delay = rng.uniform(0, 0.05)
    elif kind == KINDS[1]:
        reached = lambda: progress[0] == 2 and progress[2] >= epoch  # noqa: E731
        delay = rng.uniform(0, 0.02)
    else:
        reached = lambda: training.partial and progress[2] >= epoch - 1  # noqa: E731
        delay = rng.uniform(0, 0.03)
    assert training.until(reached), training.said
    time.sleep(delay)
    training.send(number)
    return KINDS[2] if training.partial else KINDS[1] if training.stage == 'val' else KINDS[0]


def check_files(work_dir: Path) -> list[str]:
    """Every checkpoint under a final name is readable; give their names."""
    for path in work_dir.glob('*.pth'):
        assert torch.load(path, weights_only=True)['state_dict'], path
    return sorted(path.name for path in work_dir.glob('epoch_*.pth'))


def test_killed_at_any_moment(trainer, straight, chaos, tmp_path):
    rng = random.Random(2048)
    landed = dict.fromkeys(KINDS, 0)
    for number in range(chaos.times(3, 21)):
        work_dir = tmp_path / str(number)
        kind = KINDS[number % 3]
        slow = 0.04 if kind == KINDS[2] else 0.0
        with trainer.training(work_dir, slow_disk_sec=slow) as training:
            where = disturb(training, kind, rng, signal.SIGKILL)
            assert training.wait() == -signal.SIGKILL, training.said
        # What the dead process was writing tells better where it was than the moment before.
        where = KINDS[2] if training.partial else where
        with chaos.attempt(f'SIGKILL of training {where}') as attempt:
            landed[where] += 1
            finished = check_files(work_dir)
            usable = find_resumable(work_dir, 'auto')
            assert bool(usable) == bool(finished)
            trainer.run(work_dir, '--resume')
            assert outcome(work_dir) == straight
            assert not training.partial
            attempt.seen = '`--resume` ends in the same weights and metrics, bit for bit'
    assert landed[KINDS[2]] >= chaos.times(1, 4), landed


@pytest.mark.parametrize(
    ('number', 'status', 'group'), [(signal.SIGTERM, 143, False), (signal.SIGINT, 130, True)]
)
def test_told_to_stop(trainer, straight, chaos, tmp_path, number, status, group):
    if not (chaos.full or group):
        pytest.skip('tests/engine has it in one process; make chaos')
    rng = random.Random(int(number))
    for turn in range(chaos.times(1, 4)):
        work_dir = tmp_path / str(turn)
        fault = f'{number.name} to training' + (' and all its processes' if group else '')
        with chaos.attempt(fault) as attempt:
            with trainer.training(work_dir) as training:
                iteration = rng.randrange(1, 15)
                assert training.until(lambda: training.progress[1] >= iteration)  # noqa: B023
                time.sleep(rng.uniform(0, 0.05))
                training.send(number, group)
                assert training.wait() == status, training.said
            (line,) = re.findall(r'Interrupted by .*', training.said)
            assert number.name in line and str(status) in line and 'Traceback' not in training.said
            assert find_resumable(work_dir, 'auto')
            check_files(work_dir)
            trainer.run(work_dir, '--resume')
            assert outcome(work_dir) == straight
            attempt.seen = (
                f'"Interrupted by {number.name} ...; saved .../interrupted.pth ...", status '
                f'{status}; `--resume` ends in the same weights and metrics, bit for bit'
            )


def test_started_twice(trainer, straight, chaos, tmp_path):
    for turn in range(chaos.times(1, 3)):
        work_dir = tmp_path / str(turn)
        with trainer.training(work_dir) as first:
            assert first.until(lambda: first.stage == 'train')
            with chaos.attempt('second training in a work folder') as attempt:
                started = time.monotonic()
                with trainer.training(work_dir) as second:
                    assert second.wait() == 2
                assert first.process.is_alive()
                assert time.monotonic() - started < 20
                log = second.log.read_text()
                (line,) = [text for text in log.splitlines() if text.startswith('error: ')]
                assert f'by process {first.process.pid} on ' in line
                assert first.wait() == 0
                assert outcome(work_dir) == straight
                attempt.seen = '"error: ... is being trained in ... by process PID on HOST"'


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f'no mount command: {error}')
    if made.returncode:
        pytest.skip(f'no small disk can be mounted here: {made.stderr.strip()}')
    try:
        yield folder
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)


def test_full_disk(trainer, straight, chaos, small_disk):
    rng = random.Random(3)
    for turn in range(chaos.times(1, 4)):
        work_dir, ballast = small_disk / str(turn), small_disk / 'ballast'
        with chaos.attempt('disk full while training saves') as attempt:
            with trainer.training(work_dir) as training:
                epoch = rng.randrange(1, 4)
                assert training.until((work_dir / f'epoch_{epoch}.pth').exists)
                left = rng.randrange(2000, 60_000)  # less than a checkpoint
                free = os.statvfs(small_disk)
                ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - left))
                assert training.wait() == 2, training.said
                assert training.log.stat().st_size < 100_000
            finished = check_files(work_dir)
            assert f'epoch_{epoch}.pth' in finished and not training.partial
            attempt.seen = f'"{shortened(training.error())}"'
            ballast.unlink()
            trainer.run(work_dir, '--resume')
            assert outcome(work_dir) == straight
        shutil.rmtree(work_dir)


def shortened(error: str) -> str:
    """An error as a table has room for: no folders, no long numbers."""
    return re.sub(r'/\S*/', '.../', re.sub(r'[\d,]{4,}', 'N', error))[:160]


def test_nan_stops_training(trainer, chaos, tmp_path):
    with chaos.attempt('NaN loss') as attempt:
        with trainer.training(tmp_path / 'run', optim_wrapper__optimizer__lr=1e38) as training:
            assert training.wait() == 2, training.said
        line = training.error()
        assert re.search(r'epoch 1, iteration \d: loss\S* (nan|inf)', line)
        assert len(re.findall(r'clip \d\.mp4', line)) == 2
        assert not list((tmp_path / 'run').glob('*.pth'))
        attempt.seen = f'"{line.split(": the")[0]} ...", the batch\'s files, what to try'
