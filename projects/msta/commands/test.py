"""``tools/test.py``: test a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .common import add_common_arguments, run_tool


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/test.py``."""
    parser = argparse.ArgumentParser(description='Test a model.')
    parser.add_argument('config', help='config file, or the name of one in configs/')
    parser.add_argument(
        'checkpoint', help='checkpoint of the trained part; none tests the frozen foundation'
    )
    parser.add_argument(
        '--dump', metavar='FILE.pkl', help='write the predictions to this pickle file'
    )
    add_common_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Test; return the exit status."""
    args = build_parser().parse_args(argv)
    return run_tool(lambda: run(args), args.debug)


def run(args: argparse.Namespace) -> None:
    """Call :func:`projects.msta.training.launch.test` with the arguments."""
    from ..training.launch import test

    test(
        args.config,
        None if args.checkpoint.lower() == 'none' else args.checkpoint,
        dump=args.dump,
        work_dir=args.work_dir,
        cfg_options=args.cfg_options,
        skip_list=args.skip_list,
        launcher=args.launcher,
        local_rank=args.local_rank,
    )
