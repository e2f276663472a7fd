#!/usr/bin/env python
"""Render the Shapes world: mp4 videos of moving shapes, with lists, labels and descriptions."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'data' / 'shapes', help='output folder')
    parser.add_argument('--seed', type=int, default=0, help='seed of every random choice')
    parser.add_argument(
        '--train-per-class', type=int, default=32, help='target videos a class to draw shots from'
    )
    parser.add_argument('--test-per-class', type=int, default=16, help='test videos a class')
    parser.add_argument('--workers', type=int, default=2, help='processes that render')
    parser.add_argument('--force', action='store_true', help='render everything anew')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from tqdm import tqdm

    from projects.msta.datasets.shapes.folder import Recipe, ShapesError, make_shapes

    bar = tqdm(desc='rendering videos', unit='video', disable=None)

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        recipe = Recipe(args.seed, args.train_per_class, args.test_per_class)
        rendered = make_shapes(args.out, recipe, args.workers, args.force, progress)
    except (ShapesError, OSError) as error:
        bar.close()
        sys.exit(f'error: {error}')
    bar.close()
    print(f'{args.out}: {rendered} videos rendered' if rendered else f'{args.out}: up to date')


if __name__ == '__main__':
    main()
