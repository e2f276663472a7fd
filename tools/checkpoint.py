#!/usr/bin/env python3
"""Look into, compare, average and publish trained adapters: tools/checkpoint.py info FILE"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.common import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Look into, compare, average and publish trained adapters.'
    )
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    commands = parser.add_subparsers(dest='command', required=True)
    info = commands.add_parser('info', help='what is in it, for which foundation, its metrics')
    info.add_argument('files', nargs='+', metavar='FILE')
    diff = commands.add_parser('diff', help='how two files differ; status 1 if they do')
    diff.add_argument('files', nargs=2, metavar='FILE')
    merge = commands.add_parser('merge', help='average adapters of one foundation in weight space')
    merge.add_argument('files', nargs='+', metavar='FILE')
    merge.add_argument('--out', required=True, help='file to write')
    merge.add_argument('--weights', nargs='+', type=float, help='one a file (equal)')
    merge.add_argument(
        '--zero-shot', type=float, default=0.0, help='share of the bare foundation, 0..1 (0)'
    )
    push = commands.add_parser('push-ready', help='a folder with adapters and a licence card')
    push.add_argument('file', metavar='FILE')
    push.add_argument('--out', required=True, help='folder to make')
    push.add_argument('--licence', required=True, help='of the trained weights, e.g. cc-by-4.0')
    push.add_argument('--name', help='title of the card (the file name)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    args.status = 0
    from projects.msta.commands import checkpoint as command

    tasks = {'info': command.info, 'diff': command.diff, 'merge': command.average}
    return run_tool(tasks.get(args.command, command.push_ready), args) or args.status


if __name__ == '__main__':
    sys.exit(main())
