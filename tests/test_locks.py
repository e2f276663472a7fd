"""Locks between processes: told who holds one, freed by any end, not kept by forked children."""

import os
import signal
import subprocess
import sys
import time

import pytest

from projects.msta.locks import LockedError, locked
from projects.msta.paths import ROOT

HOLD = """
import os, sys, time
from pathlib import Path
from projects.msta.locks import locked
with locked(Path(sys.argv[1])):
    child = os.fork()
    if child:
        print(child, flush=True)
    time.sleep(60)
"""


def test_second_is_told_who_has_it(tmp_path):
    path = tmp_path / 'new' / '.lock'
    with locked(path), pytest.raises(LockedError, match=rf'new is in use by process {os.getpid()}'):  # noqa: SIM117
        with locked(path):
            raise AssertionError('both have it')
    with locked(path) as lock:
        assert path.read_text().startswith(f'process {os.getpid()} on ') and not lock.closed


def test_killed_holder_blocks_nobody_though_its_child_lives(tmp_path):
    path = tmp_path / '.lock'
    command = [sys.executable, '-c', HOLD, str(path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(LockedError, match=f'process {holder.pid} on '), locked(path):
            raise AssertionError('both have it')
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        os.kill(child, 0)  # it lives
        deadline = time.monotonic() + 5
        while True:
            try:
                with locked(path):
                    break
            except LockedError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()
