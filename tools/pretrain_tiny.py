#!/usr/bin/env python
"""Train the tiny ViCLIP that ships with the project, on the plain domain of the Shapes world."""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--out',
        type=Path,
        default=ROOT / 'work_dirs' / 'pretrain_tiny' / 'viclip_tiny_shapes.safetensors',
        help='weight file to write',
    )
    parser.add_argument('--seed', type=int, default=0, help='of data, initial weights and order')
    parser.add_argument('--steps', type=int, default=3600, help='optimizer steps of 64 videos')
    parser.add_argument('--videos', type=int, default=20_000, help='videos to render')
    parser.add_argument('--threads', type=int, default=2, help='threads and rendering processes')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from benchmarks.pretrain import (
        Pretraining,
        how_it_was_made,
        pretrain,
        render_pool,
        zero_shot_accuracy,
    )
    from projects.msta.foundation import save_foundation

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


if __name__ == '__main__':
    from projects.msta.commands.common import run_tool

    sys.exit(run_tool(main, parse_args()))
