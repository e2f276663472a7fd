#!/usr/bin/env python3
"""Draw what a model does: tools/visualize.py attention VIDEO --out attention.png"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.common import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument('--out', required=True, metavar='FILE.png', help='.png, .svg or .pdf')
    model.add_argument('--config', help='config, preset, or foundation weights')
    model.add_argument('--checkpoint', help='trained adapters, or foundation weights')
    model.add_argument('--foundation', help="foundation weights, if not the config's")
    model.add_argument('--labels', help='"a, b, c", a file, or a shipped list')
    model.add_argument('--template', action='append', help='prompt with one {}')
    model.add_argument('--device', help='cpu, cuda, cuda:1; a GPU where there is one')
    model.add_argument('--debug', action='store_true', help='show where an error came from')
    parser = argparse.ArgumentParser(description='Draw what a model does.')
    pictures = parser.add_subparsers(dest='picture', required=True)
    text = 'where the CLS token looks, over the frames'
    attention = pictures.add_parser('attention', help=text, parents=[model])
    attention.add_argument('video')
    attention.add_argument('--block', type=int, help='of the video tower, from 1 (the last)')
    text = 'cosines between classes before and after training'
    pictures.add_parser('similarity', help=text, parents=[model])
    pictures.add_parser('norms', help='size of the trained weights by block', parents=[model])
    text = 'videos and classes in the plane (t-SNE)'
    plane = pictures.add_parser('map', help=text, parents=[model])
    plane.add_argument('videos', nargs='+', help='files, folders or globs')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.commands.visualize import visualize

    return run_tool(visualize, args)


if __name__ == '__main__':
    sys.exit(main())
