"""How long the tools take to start, and training to reach its first iteration. No torch."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .cli import ROOT

_FIRST_ITERATION = re.compile(r'Epoch\(train\) +\[1\]\[ *1/')


def tools() -> list[Path]:
    """Every command-line tool of the project."""
    return sorted(path for path in (ROOT / 'tools').rglob('*.py') if path.name != '__init__.py')


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def help_seconds(tool: Path, repeats: int) -> tuple[float, float]:
    """The least time, and processor time, of a tool's ``--help`` in seconds."""
    runs = []
    for _ in range(repeats):
        before, start = _children(), time.perf_counter()
        subprocess.run([sys.executable, str(tool), '--help'], stdout=subprocess.DEVNULL, check=True)
        runs.append((time.perf_counter() - start, _children() - before))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def first_iteration_seconds(config: Path) -> tuple[float, float]:
    """Time and processor time of ``tools/train.py`` until its first iteration is done."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / 'tools' / 'train.py'), str(config)]
        command += ['--work-dir', folder, '--cfg-options', 'default_hooks.logger.interval=1']
        command += ['log_level=INFO']
        before, start = _children(), time.perf_counter()
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            said: list[str] = []
            try:
                for line in process.stdout:
                    said.append(line)
                    if _FIRST_ITERATION.search(line):
                        break
                seconds = time.perf_counter() - start
            finally:
                _end(process)
        if not said or not _FIRST_ITERATION.search(said[-1]):
            raise RuntimeError('training did not reach its first iteration:\n' + ''.join(said))
        return seconds, _children() - before


def _end(process: subprocess.Popen) -> None:
    """End a training and its data loader's workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def table(repeats: int, config: Path | None, chosen: Sequence[Path] | None = None) -> str:
    """Start-up times as a Markdown table; ``config`` is one to start training with."""
    lines = ['| start of | time | CPU time |', '|---|---|---|']
    for tool in tools() if chosen is None else chosen:
        seconds, work = help_seconds(tool, repeats)
        lines.append(f'| {tool.relative_to(ROOT)} --help | {seconds:.2f} s | {work:.2f} s |')
    if config is not None:
        seconds, work = first_iteration_seconds(config)
        name = f'tools/train.py {config.relative_to(ROOT)}, to the first iteration'
        lines.append(f'| {name} | {seconds:.1f} s | {work:.1f} s |')
    return '\n'.join(lines)
