"""Serve a page on which to drop a video and type labels."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from .common import make_main, make_parser
from .model_arguments import DEVICE, MODEL, model_options

_HERE = ('127.0.0.1', 'localhost', '::1')

parser = make_parser(__doc__, MODEL, DEVICE)
add = parser.add_argument
add('--host', default='127.0.0.1', help='address to serve on (%(default)s)')
add('--port', type=int, help='port (the first free one from 7860)')
add('--max-mb', type=int, default=100, help='largest file (%(default)s)')
add('--max-seconds', type=float, default=300, help='longest video (%(default)s)')
add('--max-labels', type=int, default=200, help='most labels (%(default)s)')
add('--no-examples', action='store_true', help='offer no Shapes videos')
add(
    '--corrections',
    type=Path,
    metavar='FOLDER',
    help='where "Correct this" stores clips (work_dirs/corrections on a page for this machine '
    'only; with another --host nothing is stored unless this is given)',
)


def run(args: argparse.Namespace) -> None:
    """Open the model and serve the page until told to stop."""
    from ..datasets.lists.annotations import AnnotationError
    from ..files import check_target
    from ..own_videos.collect import NAMES_FILE

    if args.port is not None and not 0 < args.port < 2**16:
        raise ValueError(f'--port {args.port}: ports are 1 to {2**16 - 1}')
    if args.corrections:
        check_target(args.corrections / NAMES_FILE, make_folder=True)
    from ..inference.page_app import import_gradio, serve

    import_gradio()
    from ..inference.inferencer import MSTAInferencer
    from ..inference.page import AppError, Limits
    from ..own_videos.corrections import store_correction

    folder = args.corrections or (Path('work_dirs/corrections') if args.host in _HERE else None)
    adapted = Path(args.checkpoint).parent if args.checkpoint else None
    known = adapted is not None and (adapted / 'split.json').is_file()
    start = shlex.quote(str(adapted)) if known else 'FOLDER'

    def store(video: str, label: str) -> str:
        assert folder is not None
        try:
            stored = store_correction(folder, video, label)
        except AnnotationError as error:
            raise AppError(f'{error}: correct that file first') from error
        return (
            f'Stored as\n\n`{stored.resolve()}`\n\nTo adapt to all that is stored:\n\n'
            f'`tools/adapt.py {shlex.quote(str(folder))} --start {start} --out NEW_FOLDER`'
        )

    limits = Limits(args.max_mb, args.max_seconds, args.max_labels)
    with MSTAInferencer(**model_options(args), need_labels=False) as inferencer:
        # A folder per class holds one label per clip.
        keep = None if folder is None or inferencer.model.cls_head.multi_class else store
        serve(inferencer, limits, args.host, args.port, not args.no_examples, keep)


main = make_main(parser, run)
