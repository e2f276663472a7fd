"""``tools/benchmark.py`` and ``tools/pretrain_tiny.py``: their parsers and actions."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from projects.msta.commands.common import make_main, make_parser
from projects.msta.paths import ROOT

COMPARED = (
    'training step',
    'precision of a step',
    'text side of a step',
    'clip forward',
    'clips',
    'classes',
    'memory',
)
CASES = (*COMPARED, 'input')


benchmark_parser = make_parser(
    'Speed and memory of the real-size model beside a plain implementation of the same.'
)
add = benchmark_parser.add_argument
add('--arch', default='b16', help='ViCLIP preset (b16, l14), or tiny')
add('--context', type=int, default=32, help='text context: 32 ViCLIP, 77 CLIP')
add('--batch', type=int, default=4, help='clips of a step')
add('--classes', type=int, default=400)
add('--repeats', type=int, default=3, help='rounds; the sides take turns')
add('--device', default='cpu')
add('--amp', action='store_true', help='bfloat16 autocast')
add('--cases', nargs='+', choices=CASES, default=CASES, help='only these')
add('--out', type=Path, help='also write the report as JSON')


def run_benchmark(args: argparse.Namespace) -> None:
    """Call ``input_speed`` and ``benchmark.compare``; print and write what they give."""
    from projects.msta.files import check_target, write_json

    if args.out:
        check_target(args.out, make_folder=True)
    if 'input' in args.cases:
        from . import input_speed

        print(input_speed.table(input_speed.measure(args.repeats)), end='\n\n', flush=True)
        loaders = input_speed.measure_workers(args.repeats)
        print(input_speed.table(loaders, 'training loader'), end='\n\n', flush=True)
    if not set(args.cases) & set(COMPARED):
        return
    from .benchmark import compare, table
    from .workbench import Setting

    setting = Setting(args.arch, args.context, args.batch, args.classes, args.device, args.amp)
    report = compare(setting, args.cases, args.repeats)
    print(table(report))
    if args.out:
        write_json(args.out, json.loads(json.dumps(report, default=str)), indent=2)


pretrain_parser = make_parser(
    'Train the tiny ViCLIP that ships with the project, on the plain domain of the Shapes world.'
)
add = pretrain_parser.add_argument
add(
    '--out',
    type=Path,
    default=ROOT / 'work_dirs' / 'pretrain_tiny' / 'viclip_tiny_shapes.safetensors',
    help='weight file to write',
)
add('--seed', type=int, default=0, help='of data, initial weights and order')
add('--steps', type=int, default=3600, help='optimizer steps of 64 videos')
add('--videos', type=int, default=20_000, help='videos to render')
add('--threads', type=int, default=2, help='threads and rendering processes')


def run_pretrain(args: argparse.Namespace) -> None:
    """Render, train, test and write the weights."""
    import torch
    from tqdm import tqdm

    from projects.msta.foundation import save_foundation

    from .pretrain import Pretraining, how_it_was_made, pretrain, zero_shot_accuracy
    from .pretrain_videos import render_pool

    torch.set_num_threads(args.threads)
    start = time.perf_counter()
    settings = Pretraining(seed=args.seed, steps=args.steps, num_videos=args.videos)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(total=settings.num_videos, desc='rendering', unit='video') as bar:
        videos, scenes = render_pool(settings, args.threads, bar.update)
    with tqdm(total=settings.steps, desc='training', unit='step') as bar:

        def progress(_step: int, loss: float) -> None:
            bar.set_postfix(loss=f'{loss:.3f}', refresh=False)
            bar.update()

        model = pretrain(settings, videos, scenes, progress)
    accuracy = {name: zero_shot_accuracy(model, settings, name) for name in ('plain', 'target')}
    minutes = (time.perf_counter() - start) / 60
    options = f'--seed {args.seed} --steps {args.steps} --videos {args.videos}'
    command = f'tools/pretrain_tiny.py {options}'
    save_foundation(model, args.out, metadata=how_it_was_made(settings, command, accuracy, minutes))
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.1f} MB after {minutes:.1f} minutes')
    for domain, parts in accuracy.items():
        print(f'  zero-shot top-1 on {domain}:', ', '.join(f'{k} {v}%' for k, v in parts.items()))


benchmark = make_main(benchmark_parser, run_benchmark)
pretrain_tiny = make_main(pretrain_parser, run_pretrain)
