"""Test a model."""

from __future__ import annotations

import argparse

from .common import RUN, make_main, make_parser, path_or_none

parser = make_parser(__doc__, RUN)
parser.add_argument(
    'checkpoint',
    type=path_or_none,
    help='checkpoint of the trained part; none tests the frozen foundation',
)
parser.add_argument('--dump', metavar='FILE.pkl', help='write the predictions to this pickle file')


def run(args: argparse.Namespace) -> None:
    from ..training.launch import test

    test(**vars(args))


main = make_main(parser, run)
