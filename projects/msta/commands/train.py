"""Train a model."""

from __future__ import annotations

import argparse

from .common import RUN, make_main, make_parser

parser = make_parser(__doc__, RUN)
parser.add_argument(
    '--resume',
    nargs='?',
    const='auto',
    metavar='CHECKPOINT',
    help='continue from this checkpoint; without one, from the newest in the work folder',
)
parser.add_argument('--amp', action='store_true', help='train in mixed precision')
parser.add_argument(
    '--no-validate', dest='validate', action='store_false', help='leave out validation'
)
parser.add_argument(
    '--auto-scale-lr',
    action='store_true',
    help='scale the learning rate with the videos of a step: batch, processes, accumulation',
)
parser.add_argument('--seed', type=int, help='random seed')
parser.add_argument('--diff-rank-seed', action='store_true', help='another seed per process')
parser.add_argument(
    '--deterministic', action='store_true', help='deterministic algorithms, even if slower'
)


def run(args: argparse.Namespace) -> None:
    from ..training.launch import train

    train(**vars(args))


main = make_main(parser, run)
