#!/usr/bin/env python3
"""Recognise any labels in any video: tools/infer.py VIDEO... --labels "a, b, c" """

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.common import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Recognise any labels in any video. Exit status 1: some videos failed.'
    )
    parser.add_argument(
        'videos',
        nargs='+',
        metavar='VIDEO',
        help='file, folder, glob, camera number or stream address',
    )
    parser.add_argument(
        '--labels', help='"a, b, c", a file of names, or a shipped list (the config\'s own)'
    )
    parser.add_argument('--config', help='config, preset, or foundation weights')
    parser.add_argument('--checkpoint', help='trained adapters, or foundation weights')
    parser.add_argument('--foundation', help="foundation weights, if not the config's")
    parser.add_argument(
        '--template', action='append', help='prompt with one {}; several are averaged'
    )
    parser.add_argument('--none-of-these', metavar='RULE.json', help='from tools/calibrate.py')
    parser.add_argument('--topk', type=int, default=5, help='labels a video (%(default)s)')
    parser.add_argument('--device', help='cpu, cuda, cuda:1; a GPU where there is one')
    parser.add_argument('--batch-size', type=int, default=8, help='videos at a time (%(default)s)')
    parser.add_argument('--out', help='write the results to this .json or .csv file')
    long = parser.add_argument_group('long videos (any of these slides a window over each video)')
    long.add_argument('--window', type=float, metavar='SEC', help='length of a window (2)')
    long.add_argument('--stride', type=float, metavar='SEC', help='step (half a window)')
    long.add_argument('--smooth', type=int, metavar='N', help='windows averaged, odd (3)')
    long.add_argument('--min-segment', type=float, metavar='SEC', help='shortest segment (0)')
    long.add_argument('--video-out', metavar='FILE.mp4', help='copy with the labels drawn in')
    long.add_argument('--plot-out', metavar='FILE.png', help='plot of the labels over time')
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.commands.infer import infer

    failed: list[str] = []
    return run_tool(lambda given: failed.extend(infer(given)), args) or int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
