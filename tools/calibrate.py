#!/usr/bin/env python3
"""Calibrate 'none of these': tools/calibrate.py KNOWN --labels ... --out rule.json"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.common import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Find below which cosine the answer is 'none of these'."
    )
    parser.add_argument(
        'known', help='videos that show one of the labels: annotation list, folder or glob'
    )
    parser.add_argument('--unknown', nargs='+', help='videos that show none: folder, glob, files')
    parser.add_argument('--data-root', help="folder of the list's paths (the list's own)")
    parser.add_argument('--labels', help='"a, b, c", a file, or a shipped list')
    parser.add_argument(
        '--method',
        choices=['threshold', 'margin'],
        default='threshold',
        help='the best cosine, or its lead over the second best',
    )
    parser.add_argument(
        '--keep',
        type=float,
        default=0.95,
        help='share of the known videos that must pass, without --unknown (%(default)s)',
    )
    parser.add_argument('--config', help='config, preset, or foundation weights')
    parser.add_argument('--checkpoint', help='trained adapters, or foundation weights')
    parser.add_argument('--foundation', help="foundation weights, if not the config's")
    parser.add_argument('--template', action='append', help='prompt with one {}')
    parser.add_argument('--device', help='cpu, cuda, cuda:1; a GPU where there is one')
    parser.add_argument('--batch-size', type=int, default=8, help='videos at a time')
    parser.add_argument('--out', required=True, metavar='RULE.json', help='file to write')
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.commands.calibrate import calibrate

    return run_tool(calibrate, args)


if __name__ == '__main__':
    sys.exit(main())
