"""How speed and memory are measured: sides that take turns, and what a step adds to memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

Once = Callable[[], Any]


def seconds_of(once: Once, device: torch.device) -> float:
    """Seconds of one run, the device's queue emptied before and after."""
    _synchronize(device)
    start = time.perf_counter()
    once()
    _synchronize(device)
    return time.perf_counter() - start


def take_turns(
    sides: Mapping[str, Once], rounds: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each side in each round; every round begins with the next side."""
    names = list(sides)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(seconds_of(sides[name], device))
    return times


def relative(times: Mapping[str, list[float]], reference: str) -> dict[str, float]:
    """Time relative to a side: the median of the ratios within a round.

    A slow moment of the machine hits all sides of a round.
    """
    return {
        side: statistics.median(a / b for a, b in zip(values, times[reference], strict=True))
        for side, values in times.items()
    }


def added_memory(once: Once, device: torch.device) -> float:
    """Peak memory in MiB that two runs add to what is there: CUDA's allocator's, or resident."""
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        once()
        once()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    Path('/proc/self/clear_refs').write_text('5')  # forget the peak of the set-up (Linux)
    resident = resident_mib('VmRSS')
    once()
    once()
    return resident_mib('VmHWM') - resident


def _synchronize(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def resident_mib(field: str) -> float:
    """Return a size in MiB from the kernel's account of this process (Linux)."""
    lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(f'{field}:')) / 2**10
