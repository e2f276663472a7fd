"""Render the Shapes world: mp4 videos of moving shapes, with lists, labels and descriptions."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..paths import ROOT
from .common import make_main, make_parser

parser = make_parser(__doc__)
parser.add_argument('--out', type=Path, default=ROOT / 'data' / 'shapes', help='output folder')
parser.add_argument('--seed', type=int, default=0, help='seed of every random choice')
parser.add_argument(
    '--train-per-class', type=int, default=32, help='target videos per class to draw shots from'
)
parser.add_argument('--test-per-class', type=int, default=16, help='test videos per class')
parser.add_argument('--workers', type=int, default=2, help='processes that render')
parser.add_argument('--force', action='store_true', help='render everything again')


def run(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..datasets.shapes.folder import Recipe, make_shapes

    with tqdm(desc='rendering videos', unit='video', disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        recipe = Recipe(args.seed, args.train_per_class, args.test_per_class)
        rendered = make_shapes(args.out, recipe, args.workers, args.force, progress)
    print(f'{args.out}: {rendered} videos rendered' if rendered else f'{args.out}: up to date')


main = make_main(parser, run)
