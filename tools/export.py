#!/usr/bin/env python3
"""Export a model to ONNX: tools/export.py OUT_FOLDER --config ... --checkpoint ..."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.common import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write video.onnx, text.onnx, classes.npy and meta.json, and compare them with '
        'the model (docs/deploy.md).'
    )
    parser.add_argument('out', help='folder to make')
    parser.add_argument('--config', help='config, preset, or foundation weights')
    parser.add_argument('--checkpoint', help='trained adapters, or foundation weights')
    parser.add_argument('--foundation', help="foundation weights, if not the config's")
    parser.add_argument('--labels', help='"a, b, c", a file, or a shipped list: for classes.npy')
    parser.add_argument('--template', action='append', help='prompt with one {}')
    parser.add_argument('--frames', type=int, help="frames a clip (the model's)")
    parser.add_argument('--size', type=int, help="side of the frames in pixels (the model's)")
    parser.add_argument('--text-length', type=int, help='tokens a text (the whole context)')
    parser.add_argument('--torch', action='store_true', help='also write PyTorch exports (.pt2)')
    parser.add_argument('--no-onnx', action='store_true', help='write no ONNX files')
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.commands.export import export

    return run_tool(export, args)


if __name__ == '__main__':
    sys.exit(main())
