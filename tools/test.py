#!/usr/bin/env python3
"""Test a model: tools/test.py CONFIG CHECKPOINT; CHECKPOINT none tests the frozen foundation."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.common import add_common_arguments, run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', help='checkpoint of the trained part; none tests the frozen foundation'
    )
    parser.add_argument(
        '--dump', metavar='FILE.pkl', help='write the predictions to this pickle file'
    )
    add_common_arguments(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.training.launch import test

    return run_tool(test, args)


if __name__ == '__main__':
    sys.exit(main())
