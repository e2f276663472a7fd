"""``tools/test.py``: test a model."""

from __future__ import annotations

import argparse

from .common import add_common_arguments, make_main, path_or_none


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/test.py``."""
    parser = argparse.ArgumentParser(description='Test a model.')
    parser.add_argument('config', help='config file, or the name of one in configs/')
    parser.add_argument(
        'checkpoint',
        type=path_or_none,
        help='checkpoint of the trained part; none tests the frozen foundation',
    )
    parser.add_argument(
        '--dump', metavar='FILE.pkl', help='write the predictions to this pickle file'
    )
    add_common_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> None:
    """Call :func:`projects.msta.training.launch.test` with the arguments."""
    from ..training.launch import test

    test(**vars(args))


main = make_main(build_parser, run)
