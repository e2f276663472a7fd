"""Too little memory for a step: an error that says what to try, in the place of ``Killed``."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config


class MemoryBudgetError(RuntimeError):
    """A step needs more memory than there is."""


@contextlib.contextmanager
def enough_memory(cfg: Config) -> Iterator[None]:
    """Say of a lack of memory what the batch was, and what to try.

    Without a GPU, more than what is free now is refused to this process: the operating system
    would grant it, and kill the process when it is used.

    Raises:
        MemoryBudgetError: In the place of torch's error, or Python's.
    """
    import torch

    gpu = torch.cuda.is_available()
    free = None if gpu else free_memory()
    try:
        with contextlib.nullcontext() if free is None else _at_most(free):
            yield
    except (MemoryError, RuntimeError) as error:
        if not _is_lack_of_memory(error):
            raise
        known = torch.cuda.get_device_properties(0).total_memory if gpu else free
        size = '' if known is None else f' {known / 2**30:.1f} GiB of'
        batch = (cfg.get('train_dataloader') or {}).get('batch_size', 1)
        halves = (
            f'; train_dataloader.batch_size={batch // 2} with '
            'optim_wrapper.accumulative_counts=2 (the same step in two parts)'
        )
        raise MemoryBudgetError(
            f'a step of {batch} videos needs more than the{size} memory that this '
            f'{"GPU" if gpu else "machine"} has for it. Try --amp; model.backbone.recompute=True '
            f'(less memory, more time){halves if batch > 1 else ""}'
        ) from error


def _is_lack_of_memory(error: Exception) -> bool:
    import torch

    # On a CPU, torch raises a plain RuntimeError, with nothing else to tell it by.
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        "can't allocate memory" in str(error)
    )


def free_memory(group: Path = Path('/sys/fs/cgroup')) -> int | None:
    """Bytes that this process may still use, of the machine and of its group; None: not told."""
    try:
        lines = dict(line.split(':', 1) for line in Path('/proc/meminfo').read_text().splitlines())
        free = 1024 * int(lines['MemAvailable'].split()[0])
    except (OSError, KeyError, ValueError):
        return None
    with contextlib.suppress(OSError, ValueError):  # no group, or one without a limit
        limit = int((group / 'memory.max').read_text())
        held = int((group / 'memory.current').read_text())
        # What is kept of files is given back when it is wanted.
        kept = dict(line.split() for line in (group / 'memory.stat').read_text().splitlines())
        held -= sum(int(kept.get(name, 0)) for name in ('active_file', 'inactive_file'))
        free = min(free, limit - held)
    return max(free, 0)


@contextlib.contextmanager
def _at_most(more: int) -> Iterator[None]:
    """Let this process take only so many bytes more."""
    status = Path('/proc/self/status').read_text()
    now = next(int(s.split()[1]) * 1024 for s in status.splitlines() if s.startswith('VmData'))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = now + more
    if before[0] != resource.RLIM_INFINITY:
        limit = min(limit, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
