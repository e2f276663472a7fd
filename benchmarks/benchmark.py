"""Speed and memory beside the plain path, in one process, the sides taking turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.workbench import Setting, Sides, Workbench, numbered_names
from projects.msta.evaluation.timing import Once, added_memory, relative, seconds_of
from projects.msta.paths import ROOT

CLASS_COUNTS = (100, 1000, 10_000)

# Title -> the sides that are compared.
CASES: dict[str, Callable[[Workbench], Sides]] = {
    'training step': Workbench.training_step,
    'precision of a step': Workbench.precision,
    'text side of a step': Workbench.text_side,
    'clip forward': Workbench.clip_forward,
    'clips': Workbench.clips,
}


def compare(setting: Setting, cases: Collection[str], repeats: int) -> dict[str, Any]:
    """The cases asked for, sides interleaved; medians, ratios to the first side of each case.

    ``cases`` are keys of ``CASES``, 'classes' and 'memory'; ``repeats`` is the number of rounds.
    """
    bench = Workbench(setting)
    report: dict[str, Any] = {'settings': {**asdict(setting), 'repeats': repeats}, 'cases': {}}
    for title, sides_of in CASES.items():
        if title in cases:
            report['cases'][title] = _compare(title, sides_of(bench), bench, repeats)
    if 'classes' in cases:
        report['classes'] = [_classes(bench, number) for number in CLASS_COUNTS]
    report['environment'] = {
        'torch': torch.__version__,
        'device': torch.cuda.get_device_name() if bench.device.type == 'cuda' else 'CPU',
        'threads': torch.get_num_threads(),
    }
    if 'memory' in cases:
        sides = ('plain', 'ours', 'ours, cached features')
        report['memory'] = {side: _memory_apart(setting, side) for side in sides}
    return report


def _compare(title: str, sides: Sides, bench: Workbench, repeats: int) -> dict[str, dict]:
    flops = {}
    for side, once in sides.items():  # also the warm-up
        with FlopCounterMode(display=False) as counter:
            once()
        flops[side] = counter.get_total_flops()
    times: dict[str, list[float]] = {side: [] for side in sides}
    work: dict[str, list[float]] = {side: [] for side in sides}
    rates = []
    for number in range(repeats):
        print(f'\r{title}: {number + 1}/{repeats}  ', end='', file=sys.stderr, flush=True)
        rates.append(gemm_rate(bench))
        for side, once in sides.items():
            start = time.process_time()
            times[side].append(seconds_of(once, bench.device))
            work[side].append(time.process_time() - start)
    print('\r' + ' ' * 60 + '\r', end='', file=sys.stderr)
    # On a CPU other programs take turns with this one: its processor time shows them least.
    counted = work if bench.device.type == 'cpu' else times
    ratios = relative(counted, next(iter(sides)))
    rate = statistics.median(rates)
    return {
        side: {
            'seconds': statistics.median(times[side]),
            'cpu_seconds': statistics.median(work[side]),
            'ratio': ratios[side],
            'gflops': flops[side] / 1e9,
            'share_of_gemm': flops[side] / statistics.median(counted[side]) / rate,
        }
        for side in sides
    }


def gemm_rate(bench: Workbench) -> float:
    """FLOP/s of the matrix product that dominates the video tower (tokens x W x 4W).

    Per second of time on a GPU, of processor time on a CPU.
    """
    arch = bench.model.backbone.foundation.arch
    tokens = bench.video.shape[0] * (
        arch.num_frames * (arch.image_size // arch.patch_size) ** 2 + 1
    )
    dtype = torch.bfloat16 if bench.amp else torch.float32
    a = torch.randn(tokens, arch.width, device=bench.device, dtype=dtype)
    b = torch.randn(arch.width, 4 * arch.width, device=bench.device, dtype=dtype)
    start = time.process_time()
    seconds = seconds_of(lambda: torch.mm(a, b), bench.device)
    if bench.device.type == 'cpu':
        seconds = time.process_time() - start
    return 2 * tokens * arch.width * 4 * arch.width / seconds


def _classes(bench: Workbench, number: int) -> dict[str, float]:
    """Time and memory of the text side of a step with ``number`` classes."""
    bench.model.set_labels(numbered_names(number))
    bench.model.encode_classes()
    runs: list[float] = []

    def once() -> None:
        start = time.process_time()
        seconds = seconds_of(lambda: bench.text_step(bench.model.encode_classes), bench.device)
        on_cpu = bench.device.type == 'cpu'
        runs.append(time.process_time() - start if on_cpu else seconds)

    memory = added_memory(once, bench.device)
    return {'classes': number, 'seconds': min(runs), 'peak_mib': memory}


def _memory_apart(setting: Setting, side: str) -> float:
    """Peak memory of training steps in MiB: of a process of its own, or of CUDA's allocator."""
    code = (
        'import json\nfrom benchmarks.benchmark import memory_of\n'
        'from benchmarks.workbench import Setting\n'
        f'print(json.dumps(memory_of(Setting(**{asdict(setting)!r}), {side!r})))'
    )
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(json.loads(done.stdout.splitlines()[-1]))


def memory_of(setting: Setting, side: str) -> float:
    """Peak memory in MiB that two training steps add to the weights and the batch."""
    bench = Workbench(setting)
    once: Once = bench.training_step()[side]
    return added_memory(once, bench.device)


def table(report: dict[str, Any]) -> str:
    """Return the report as Markdown tables."""
    lines = []
    if report['cases']:
        lines += ['| case | side | time | CPU time | ratio | GFLOP | share of GEMM rate |']
        lines += ['|---|---|---|---|---|---|---|']
    for title, sides in report['cases'].items():
        for side, row in sides.items():
            lines.append(
                f'| {title} | {side} | {1000 * row["seconds"]:.0f} ms '
                f'| {1000 * row["cpu_seconds"]:.0f} ms | {row["ratio"]:.3f} '
                f'| {row["gflops"]:.1f} | {100 * row["share_of_gemm"]:.0f}% |'
            )
    if 'classes' in report:
        lines += ['', '| classes | text side of a step | per class | peak memory | per class |']
        lines += ['|---|---|---|---|---|']
        for row in report['classes']:
            number, seconds, peak = row['classes'], row['seconds'], row['peak_mib']
            lines.append(
                f'| {number:,} | {seconds:.2f} s | {1000 * seconds / number:.3f} ms '
                f'| {peak:.0f} MiB | {peak / number:.3f} MiB |'
            )
    if 'memory' in report:
        lines += ['', '| side | memory that a training step adds | ratio |', '|---|---|---|']
        plain = report['memory']['plain']
        for side, value in report['memory'].items():
            lines.append(f'| {side} | {value:.0f} MiB | {value / plain:.3f} |')
    environment = ', '.join(f'{key} {value}' for key, value in report['environment'].items())
    return '\n'.join([*lines, '', environment])
