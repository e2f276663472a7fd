"""Work in a child that may hang or crash, and what a process holds: memory and open files."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_CAPABILITY_VERSION = 0x20080522
_READ_ANYTHING = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
_STILL_HELD = ~_READ_ANYTHING & 0xFFFFFFFF


def drop_privileges() -> None:
    """Let file permissions bind this thread and its forks, even the superuser's. Not undone."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: low words, high words
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), 'capget')
    for word in range(3):
        data[word] &= _STILL_HELD
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), 'capset')


def in_child(task: Callable[[], int], log: Path, limit_sec: float) -> str:
    """Run ``task`` in a fork; say how it ended: 'status 0', 'SIGSEGV', or 'hung'.

    A fork has the modules that are loaded here, which takes most of a tool's time. What it prints
    goes to ``log``.
    """
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.setsid()
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(1, 'w'), write_through=True)
            drop_privileges()
            status = task()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    deadline = time.monotonic() + limit_sec
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            return f'status {code}' if code >= 0 else signal.Signals(-code).name
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 'hung'


def memory_mib(pid: int | str = 'self') -> float:
    """Memory of a process that is in use (resident), in MiB."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def open_files(pid: int | str = 'self') -> int:
    """Open file handles of a process."""
    return sum(1 for _ in Path(f'/proc/{pid}/fd').iterdir())


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    parents = {}
    for status in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):  # it has ended since
            parents[int(status.parent.name)] = int(status.read_text().rsplit(')')[-1].split()[1])
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [below for child in found for below in descendants(child)]


@dataclass
class Course:
    """Memory and open files of some processes in the course of a long work."""

    pids: tuple[int, ...]
    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self) -> None:
        self.memory.append(sum(memory_mib(pid) for pid in self.pids))
        self.files.append(sum(open_files(pid) for pid in self.pids))

    @property
    def growth_mib(self) -> float:
        """Growth of memory from the second quarter to the last, in means: the start warms up."""
        quarter = len(self.memory) // 4
        early, late = self.memory[quarter : 2 * quarter], self.memory[-quarter:]
        return sum(late) / quarter - sum(early) / quarter

    @property
    def more_files(self) -> int:
        """By how many the open files grew, from the second quarter to the last.

        Batches on their way between processes hold some, as many as are waiting: a quarter may see
        no moment with none waiting, or none with all. A leak raises the fewest *and* the most.
        """
        quarter = len(self.files) // 4
        early, late = self.files[quarter : 2 * quarter], self.files[-quarter:]
        return min(min(late) - min(early), max(late) - max(early))

    def __str__(self) -> str:
        return (
            f'{self.memory[0]:.0f} MiB at first, {self.memory[-1]:.0f} at last '
            f'({self.growth_mib:+.1f} from the second quarter to the last), '
            f'{self.files[0]} open files at first, {self.files[-1]} at last'
        )
