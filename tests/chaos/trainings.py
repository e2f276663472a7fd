"""tools/train.py in processes forked from one that has imported everything: a start in a blink."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from mmengine.config import config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from projects.msta import compat

compat.apply()
import projects.msta.register  # noqa: E402
import projects.msta.training.launch  # noqa: E402, F401
from projects.msta.commands.train import main  # noqa: E402

_format, _formatted = config.FormatCode, {}


def _format_once(text: str, **options: object) -> tuple:
    """MMEngine formats the config's text anew for every checkpoint: most of a miniature's time."""
    if text not in _formatted:
        _formatted[text] = _format(text, **options)
    return _formatted[text]


config.FormatCode = _format_once

_LIMIT_SEC = 300.0
STAGES = ('start', 'train', 'val')
_progress = None


@HOOKS.register_module(force=True)
class Progress(Hook):
    """Shows the test where training is: a stage, and iterations done in it."""

    def before_train_iter(self, runner, **kwargs) -> None:
        _progress[:] = [1, runner.iter, runner.epoch]

    def before_val_iter(self, runner, batch_idx: int, **kwargs) -> None:
        _progress[:] = [2, batch_idx, runner.epoch]


def _main(arguments: list[str], log: str, progress, slow_disk_sec: float) -> None:
    global _progress
    _progress = progress
    os.setsid()  # a group of its own, as a terminal or a launcher gives
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = os.fdopen(1, 'w', buffering=1)
    sys.stderr = os.fdopen(2, 'w', buffering=1)
    torch.set_num_threads(1)
    if slow_disk_sec:
        really = os.fsync

        def fsync(file: int) -> None:
            time.sleep(slow_disk_sec)
            really(file)

        os.fsync = fsync
    sys.exit(main(arguments))


class Training:
    """One training: its process, what it printed, and where it is."""

    def __init__(self, context, work_dir: Path, arguments: list[str], slow_disk_sec: float) -> None:
        self.work_dir = work_dir
        self.log = work_dir.with_name(f'{work_dir.name}.log')
        self.log.unlink(missing_ok=True)
        self.progress = context.Array('i', [0, 0, 0], lock=False)
        given = (arguments, str(self.log), self.progress, slow_disk_sec)
        self.process = context.Process(target=_main, args=given)
        self.process.start()

    @property
    def stage(self) -> str:
        return STAGES[self.progress[0]]

    @property
    def partial(self) -> list[str]:
        """Files that are being written."""
        with contextlib.suppress(FileNotFoundError):
            return [name for name in os.listdir(self.work_dir) if name.endswith('.partial')]  # noqa: PTH208 - fast
        return []

    def until(self, reached: Callable[[], object]) -> bool:
        """Wait for something, watching closely; whether it came before the training's end."""
        deadline = time.monotonic() + _LIMIT_SEC
        while not reached():
            if not self.process.is_alive():
                return False
            assert time.monotonic() < deadline, f'hung\n{self.said}'
            time.sleep(0.0005)
        return True

    def send(self, number: int, group: bool = False) -> None:
        """A signal to the process, or to its whole group, as a terminal sends it."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def wait(self) -> int:
        """The exit status, negative for a signal."""
        self.process.join(_LIMIT_SEC)
        assert self.process.exitcode is not None, f'hung\n{self.said}'
        return self.process.exitcode

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ''

    def error(self) -> str:
        """The line the user reads."""
        lines = [line for line in self.said.splitlines() if line.startswith('error: ')]
        assert len(lines) == 1 and 'Traceback' not in self.said, self.said
        return lines[0]

    def end(self) -> None:
        if self.process.is_alive():
            self.send(signal.SIGKILL)
        self.process.join()
        self.process.close()


class Trainer:
    """Starts trainings of a config."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self._context = multiprocessing.get_context('forkserver')
        self._context.set_forkserver_preload([__name__])

    @contextlib.contextmanager
    def training(
        self, work_dir: Path, *arguments: object, slow_disk_sec: float = 0.0, **options: object
    ) -> Iterator[Training]:
        """A training that runs; ended, if it has not, when the block is left.

        Args:
            work_dir: its folder.
            *arguments: more of tools/train.py.
            slow_disk_sec: how long the disk takes to take a file.
            **options: settings that replace the config's, '__' for '.'.
        """
        given = {f'{key.replace("__", ".")}={value}' for key, value in options.items()}
        command = [str(self.config), '--work-dir', str(work_dir), *map(str, arguments)]
        command += ['--cfg-options', *sorted(given)] if given else []
        made = Training(self._context, work_dir, command, slow_disk_sec)
        try:
            yield made
        finally:
            made.end()

    def run(self, work_dir: Path, *arguments: object, **options: object) -> Training:
        """Train to the end."""
        with self.training(work_dir, *arguments, **options) as training:
            assert training.wait() == 0, training.said
        return training


def outcome(work_dir: Path, epochs: int = 4) -> dict:
    """What a training came to: weights, optimizer, schedule, accuracies, losses, the best file."""
    last = torch.load(work_dir / f'epoch_{epochs}.pth', weights_only=True)
    hub = last['message_hub']
    scalars = {
        key: value['log'].tolist()
        for key, value in hub['log_scalars'].items()
        if key.startswith(('val/acc', 'train/loss', 'train/lr'))
    }
    return {
        'weights': {key: value.tolist() for key, value in last['state_dict'].items()},
        'optimizer': repr(last['optimizer']),
        'schedulers': repr(last['param_schedulers']),
        'scalars': scalars,
        'best score': hub['runtime_info']['best_score'],
        'files': sorted(path.name for path in work_dir.glob('*.pth')),
    }
