#!/usr/bin/env python3
"""A page in the browser: tools/demo_app.py --checkpoint adapters.pth"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.common import run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Serve a page on which to drop a video and type labels.'
    )
    parser.add_argument('--config', help='config, preset, or foundation weights')
    parser.add_argument('--checkpoint', help='trained adapters, or foundation weights')
    parser.add_argument('--foundation', help="foundation weights, if not the config's")
    parser.add_argument('--template', action='append', help='prompt with one {}')
    parser.add_argument('--device', help='cpu, cuda, cuda:1; a GPU where there is one')
    parser.add_argument('--host', default='127.0.0.1', help='address to serve on (%(default)s)')
    parser.add_argument('--port', type=int, help='port (the first free one from 7860)')
    parser.add_argument('--max-mb', type=int, default=100, help='largest file (%(default)s)')
    parser.add_argument(
        '--max-seconds', type=float, default=300, help='longest video (%(default)s)'
    )
    parser.add_argument('--max-labels', type=int, default=200, help='most labels (%(default)s)')
    parser.add_argument('--no-examples', action='store_true', help='offer no Shapes videos')
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def serve(args: argparse.Namespace) -> None:
    from projects.msta.commands import demo_app
    from projects.msta.commands.infer import make_inferencer

    demo_app.import_gradio()
    args.labels, args.batch_size = 'placeholder, other', 8
    with make_inferencer(args) as inferencer:
        limits = demo_app.Limits(args.max_mb, args.max_seconds, args.max_labels)
        demo_app.serve(inferencer, limits, args.host, args.port, not args.no_examples)


def main(argv: list[str] | None = None) -> int:
    return run_tool(serve, parse_args(argv))


if __name__ == '__main__':
    status = main()
    sys.stdout.flush()
    # Gradio leaves threads behind that would keep the process; all that matters is closed by now.
    os._exit(status)
