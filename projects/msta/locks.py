"""Folders held by one process at a time. No torch.

The operating system keeps the lock and drops it when the process ends, however it ends: what a
killed process leaves behind blocks nobody. The file holds who has it, for messages.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

# A forked child, such as a data loader's worker, has its parent's files open and would keep a lock
# for as long as it outlives it.
_held: weakref.WeakSet[IO[str]] = weakref.WeakSet()


class LockedError(RuntimeError):
    """Another process holds what was asked for."""


@contextlib.contextmanager
def locked(
    path: Path, taken: str = 'is in use', waiting: Callable[[str], None] | None = None
) -> Iterator[IO[str]]:
    """Hold a lock file; its folder is made.

    A child that is given the file (``pass_fds``) shares the lock; others do not.

    Args:
        path: the lock file, which stays.
        taken: what the error says between the folder and who holds it.
        waiting: called with the holder before waiting for the lock; None: do not wait.

    Raises:
        LockedError: another process has it, naming process and host.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a+', encoding='utf-8') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read(200).strip() or 'another process'
            if waiting is None:
                raise LockedError(f'{path.parent} {taken} by {holder}') from None
            waiting(holder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        lock.flush()
        _held.add(lock)
        try:
            yield lock
        finally:
            _held.discard(lock)


def _close_in_child() -> None:
    for lock in list(_held):
        lock.close()
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
