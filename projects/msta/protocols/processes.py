"""Trainings and tests as processes of their own: launched, watched, stopped, locked. No torch."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from .. import locks, training
from ..paths import ROOT
from .definitions import ProtocolError

_STATUS_EVERY_SEC = 30.0
_PROGRESS = re.compile(r'Epoch\((?:train|val|test)\)[^\n]*')
_RAISED = re.compile(r'[\w.]*(Error|Exception|Interrupt)\b')
_COMMANDS = {
    'train': [str(ROOT / 'tools' / 'train.py')],
    'evaluate': ['-m', f'{__package__}.evaluate'],
    'costs': ['-m', f'{__package__}.costs'],
}


class Processes:
    """Starts tools, each of ``size`` processes, on one of ``slots``: its own GPUs and port.

    More than one process go through PyTorch's launcher, by ports from ``port`` on.
    """

    def __init__(self, size: int = 1, slots: int = 1, port: int = 29500) -> None:
        self.size, self.slots, self.port = size, slots, port
        self.launcher = 'none' if size == 1 else 'pytorch'
        self._children: set[subprocess.Popen[str]] = set()
        self._stopping = threading.Event()

    def run(
        self, tool: str, arguments: Sequence[object], slot: int, log: Path, lock: IO[str], name: str
    ) -> None:
        """Run a tool to its end, its output added to ``log``.

        Raises:
            ProtocolError: it failed, with what it said.
        """
        if self._stopping.is_set():
            raise ProtocolError('stopped')
        with log.open('a', encoding='utf-8') as output:
            start = output.tell()
            child = subprocess.Popen(
                [*self._command(tool, slot), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                env=self._environment(slot),
                # The lock lasts as long as anyone has it open: also a child that outlives us.
                pass_fds=[lock.fileno()],
            )
            self._children.add(child)
            try:
                status = self._wait(child, name, log)
            finally:
                self._children.discard(child)
        if status:
            raise ProtocolError(f'{_reason(log, start)} (exit status {status}; see {log})')

    def stop(self) -> None:
        """End what runs, and start nothing more."""
        self._stopping.set()
        for child in list(self._children):
            with contextlib.suppress(ProcessLookupError):
                child.terminate()

    def _wait(self, child: subprocess.Popen[str], name: str, log: Path) -> int:
        while True:
            try:
                return child.wait(_STATUS_EVERY_SEC)
            except subprocess.TimeoutExpired:
                found = _PROGRESS.findall(_read(log, -20_000))
                say(f'{name}: {" ".join(found[-1].split())[:100] if found else "running"}')

    def _command(self, tool: str, slot: int) -> list[str]:
        if self.size == 1:
            return [sys.executable, *_COMMANDS[tool]]
        command = [sys.executable, '-m', f'{training.__name__}.ranks']
        command += [f'--nproc_per_node={self.size}', '--master_addr=127.0.0.1']
        command += [f'--master_port={self.port + slot}', *_COMMANDS[tool]]
        return [*command, '--launcher', self.launcher] if tool == 'train' else command

    def _environment(self, slot: int) -> dict[str, str]:
        paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
        environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
        devices = _gpus()
        if self.slots > 1 and devices:
            first = slot * self.size
            mine = [devices[(first + i) % len(devices)] for i in range(self.size)]
            environment['CUDA_VISIBLE_DEVICES'] = ','.join(mine)
        return environment


def in_process(task: Callable[..., None]) -> None:
    """Do what a process of ``Processes`` is for: a task, its arguments from a JSON file.

    What a user can fix is printed as ``error: ...``, as the tools do, with exit status 2.
    """
    os.environ.setdefault('LOCAL_RANK', '0')
    try:
        task(**json.loads(Path(sys.argv[1]).read_text(encoding='utf-8')))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[IO[str]]:
    """Hold a folder against other processes; waits, saying so, while one works in it."""

    def waiting(holder: str) -> None:
        say(f'{folder}: waiting for another process that works in it ({holder})')

    with locks.locked(folder / '.lock', waiting=waiting) as lock:
        yield lock


def say(text: str) -> None:
    """A line of progress."""
    print(f'[{time.strftime("%H:%M:%S")}] {text}\n', end='', flush=True)  # whole, of any thread


def _gpus() -> list[str]:
    """Devices that may be used, without asking CUDA."""
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    if visible is not None:
        return [device for device in visible.split(',') if device]
    return [path.name.removeprefix('nvidia') for path in sorted(Path('/dev').glob('nvidia[0-9]*'))]


def _read(log: Path, start: int) -> str:
    return log.read_bytes()[start:].decode('utf-8', 'replace')


def _reason(log: Path, start: int) -> str:
    """What a tool said at its end: its error, else its last line."""
    lines = _read(log, start).strip().splitlines()
    errors = [i for i, line in enumerate(lines) if line.startswith('error: ')]
    if errors:
        return '\n'.join(lines[errors[-1] :])[:2000].removeprefix('error: ')
    # Of several processes the launcher speaks last, but not of the cause.
    raised = [line for line in lines if _RAISED.match(line) and 'ChildFailedError' not in line]
    return raised[-1] if raised else (lines[-1] if lines else 'it said nothing')
