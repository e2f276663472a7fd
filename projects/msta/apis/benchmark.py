"""Speed and memory beside the plain path, in one process, the two sides taking turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from .. import register  # noqa: F401
from ..foundation import resolve_architecture, tokenize
from ..labels import make_prompts, read_labels
from ..models import MSTARecognizer
from .plain import PlainModel

REPOSITORY = Path(__file__).resolve().parents[3]
_ADAPTER = {'blocks': (8, 12), 'dim': 128}


class Workbench:
    """A ViCLIP recognizer with random weights, its plain twin, and one batch for both.

    ``context`` is the text context (32: ViCLIP, 77: CLIP's text tower).
    """

    def __init__(self, args: Namespace) -> None:
        from mmaction.registry import MODELS
        from mmaction.utils import register_all_modules

        register_all_modules(init_default_scope=True)
        torch.manual_seed(0)
        arch = resolve_architecture('ViCLIP', args.arch)
        arch = replace(arch, context_length=args.context)
        fields = {k: v for k, v in vars(arch).items() if k != 'kind'}
        first = max(1, arch.layers - 4)
        labels = read_labels('kinetics400')
        while len(labels) < args.classes:
            labels.append(f'{labels[len(labels) % 400]} number {len(labels)}')
        self.labels = labels[: args.classes]
        self.model: MSTARecognizer = MODELS.build(
            {
                'type': 'MSTARecognizer',
                'backbone': {
                    'type': 'MSTABackbone',
                    'foundation': {'type': 'ViCLIP', 'arch': fields},
                    'adapter': {**_ADAPTER, 'type': 'MSTAAdapter', 'blocks': (first, arch.layers)},
                },
                'cls_head': {'type': 'ConsistencyHead'},
                'labels': self.labels,
            }
        ).to(args.device)
        self.plain = PlainModel(self.model)
        size = arch.image_size
        self.video = torch.randn(args.batch, 3, arch.num_frames, size, size, device=args.device)
        self.targets = torch.arange(args.batch, device=args.device) % len(self.labels)
        self.tokens = tokenize(make_prompts(self.labels), args.context).to(args.device)
        shape = (2, len(self.labels), arch.embed_dim)
        self.descriptions = torch.randn(shape, device=args.device)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=0.0)
        self.device = torch.device(args.device)
        self.amp = args.amp

    def our_loss(self) -> Tensor:
        from mmaction.structures import ActionDataSample

        model = self.model
        feats = (
            model.backbone.encode_video(self.video),
            model.encode_classes(),
            model.backbone.foundation.logit_scale,
        )
        samples = [ActionDataSample().set_gt_label(int(label)) for label in self.targets]
        targets = dict(zip(('spatial', 'temporal'), self.descriptions, strict=True))
        losses = model.cls_head.loss(feats, samples, targets=targets)
        return losses['loss_cls'] + losses['loss_consistency']

    def plain_loss(self) -> Tensor:
        return self.plain.loss(self.video, self.targets, self.tokens, list(self.descriptions))

    def step(self, loss: Callable[[], Tensor]) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            value = loss()
        value.backward()
        self.optimizer.step()

    def encode(self, function: Callable[[Tensor], Tensor]) -> None:
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            function(self.video)

    def text_step(self, encode: Callable[[], Tensor]) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            encode().square().sum().backward()

    def bare_plain(self, video: Tensor) -> Tensor:
        adapters, self.plain.video_adapters = self.plain.video_adapters, {}
        try:
            return self.plain.encode_video(video)
        finally:
            self.plain.video_adapters = adapters

    def cases(self) -> dict[str, dict[str, Callable[[], None]]]:
        """What is measured: title -> side -> one run."""
        foundation, backbone = self.model.backbone.foundation, self.model.backbone
        self.model.encode_classes()  # the frozen text path, once a run
        return {
            'training step': {
                'plain': lambda: self.step(self.plain_loss),
                'ours': lambda: self.step(self.our_loss),
            },
            'text side of a step': {
                'plain': lambda: self.text_step(lambda: self.plain.encode_text(self.tokens)),
                'ours': lambda: self.text_step(self.model.encode_classes),
            },
            'clip forward': {
                'plain, no adapters': lambda: self.encode(self.bare_plain),
                'ours, no adapters': lambda: self.encode(foundation.encode_video),
                'ours, adapters': lambda: self.encode(backbone.encode_video),
                'plain, adapters': lambda: self.encode(self.plain.encode_video),
            },
        }


def measure(bench: Workbench, run: Callable[[], Any]) -> float:
    """Seconds of one run."""
    _synchronize(bench.device)
    start = time.perf_counter()
    run()
    _synchronize(bench.device)
    return time.perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def gemm_rate(bench: Workbench) -> float:
    """FLOP/s of the matrix product that dominates the video tower (tokens x W x 4W)."""
    arch = bench.model.backbone.foundation.arch
    tokens = bench.video.shape[0] * (
        arch.num_frames * (arch.image_size // arch.patch_size) ** 2 + 1
    )
    dtype = torch.bfloat16 if bench.amp else torch.float32
    a = torch.randn(tokens, arch.width, device=bench.device, dtype=dtype)
    b = torch.randn(arch.width, 4 * arch.width, device=bench.device, dtype=dtype)
    seconds = measure(bench, lambda: torch.mm(a, b))
    return 2 * tokens * arch.width * 4 * arch.width / seconds


def run(args: Namespace) -> dict[str, Any]:
    """All cases, sides interleaved; medians, ratios to the first side of each case."""
    bench = Workbench(args)
    report: dict[str, Any] = {'settings': dict(vars(args)), 'cases': {}}
    cases = bench.cases()
    if args.cases:
        cases = {title: sides for title, sides in cases.items() if title in args.cases}
    for title, sides in cases.items():
        flops = {}
        for side, once in sides.items():  # also the warm-up
            with FlopCounterMode(display=False) as counter:
                once()
            flops[side] = counter.get_total_flops()
        times: dict[str, list[float]] = {side: [] for side in sides}
        rates = []
        for number in range(args.repeats):
            print(f'\r{title}: {number + 1}/{args.repeats}  ', end='', file=sys.stderr, flush=True)
            rates.append(gemm_rate(bench))
            for side, once in sides.items():
                times[side].append(measure(bench, once))
        print('\r' + ' ' * 60 + '\r', end='', file=sys.stderr)
        report['cases'][title] = _summary(times, flops, statistics.median(rates))
    report['environment'] = {
        'torch': torch.__version__,
        'device': torch.cuda.get_device_name() if bench.device.type == 'cuda' else 'CPU',
        'threads': torch.get_num_threads(),
    }
    if args.memory:
        report['memory'] = {side: peak_memory(args, side) for side in ('plain', 'ours')}
    return report


def _summary(
    times: dict[str, list[float]], flops: dict[str, int], rate: float
) -> dict[str, dict[str, float]]:
    first = next(iter(times))
    return {
        side: {
            'seconds': statistics.median(values),
            # The median of the ratios within a round: a slow moment hits both sides of it.
            'ratio': statistics.median(a / b for a, b in zip(values, times[first], strict=True)),
            'gflops': flops[side] / 1e9,
            'share_of_gemm': flops[side] / statistics.median(values) / rate,
        }
        for side, values in times.items()
    }


def peak_memory(args: Namespace, side: str) -> float:
    """Peak memory of training steps in MiB: of a process of its own, or of CUDA's allocator."""
    options = ['--arch', args.arch, '--context', args.context, '--batch', args.batch]
    options += ['--classes', args.classes, '--device', args.device, '--only-memory', side]
    options += ['--amp'] if args.amp else []
    tool = REPOSITORY / 'tools' / 'benchmark.py'
    command = [sys.executable, str(tool), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])['peak_mib'])


def memory_of(args: Namespace, side: str) -> float:
    """Peak memory in MiB that two training steps add to the weights and the batch."""
    bench = Workbench(args)
    once = bench.cases()['training step'][side]
    if bench.device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(bench.device)
        before = torch.cuda.memory_allocated(bench.device)
        once()
        once()
        return (torch.cuda.max_memory_allocated(bench.device) - before) / 2**20
    Path('/proc/self/clear_refs').write_text('5')  # forget the peak of the set-up (Linux)
    before = _resident('VmRSS')
    once()
    once()
    return (_resident('VmHWM') - before) / 2**10


def _resident(field: str) -> int:
    """A size in KiB from the kernel's account of this process."""
    lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f'{field}:'))


def table(report: dict[str, Any]) -> str:
    """The report as a Markdown table."""
    lines = [
        '| case | side | time | ratio | GFLOP | share of GEMM rate |',
        '|---|---|---|---|---|---|',
    ]
    for title, sides in report['cases'].items():
        for side, row in sides.items():
            lines.append(
                f'| {title} | {side} | {1000 * row["seconds"]:.0f} ms | {row["ratio"]:.3f} '
                f'| {row["gflops"]:.0f} | {100 * row["share_of_gemm"]:.0f}% |'
            )
    if 'memory' in report:
        memory = report['memory']
        for side, value in memory.items():
            lines.append(
                f'| memory of a training step | {side} | {value:.0f} MiB '
                f'| {value / memory["plain"]:.3f} | | |'
            )
    environment = ', '.join(f'{key} {value}' for key, value in report['environment'].items())
    return '\n'.join([*lines, '', environment])
