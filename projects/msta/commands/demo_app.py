"""tools/demo_app.py: a page in the browser: drop a video, type labels, see what is answered."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import add_debug, run_tool
from .model_arguments import add_model_arguments, model_options

if TYPE_CHECKING:
    from ..inference.inferencer import MSTAInferencer
    from ..inference.page import Limits

INSTALL = 'pip install -r requirements/app.txt'
_SHOWN_LABELS = 10
_SESSIONS = 100
# Nothing is fetched from outside: the theme's own fonts would be.
_FONTS = ['system-ui', 'sans-serif']
_CSS = """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
#note { opacity: .75; font-size: .9em; }
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='demo_app.py',
        description='Serve a page on which to drop a video and type labels.',
    )
    add_model_arguments(parser)
    parser.add_argument('--host', default='127.0.0.1', help='address to serve on (%(default)s)')
    parser.add_argument('--port', type=int, help='port (the first free one from 7860)')
    parser.add_argument('--max-mb', type=int, default=100, help='largest file (%(default)s)')
    parser.add_argument(
        '--max-seconds', type=float, default=300, help='longest video (%(default)s)'
    )
    parser.add_argument('--max-labels', type=int, default=200, help='most labels (%(default)s)')
    parser.add_argument('--no-examples', action='store_true', help='offer no Shapes videos')
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return run_tool(lambda: run(args), args.debug)


def run(args: argparse.Namespace) -> None:
    """Open the model and serve the page until told to stop."""
    import_gradio()
    from ..inference.inferencer import MSTAInferencer
    from ..inference.page import Limits

    limits = Limits(args.max_mb, args.max_seconds, args.max_labels)
    with MSTAInferencer(**model_options(args), device=args.device, need_labels=False) as inferencer:
        serve(inferencer, limits, args.host, args.port, not args.no_examples)


def make_examples(folder: Path, count: int = 4) -> tuple[list[str], list[str]]:
    """Videos of the Shapes world, rendered into ``folder``, and labels that hold theirs."""
    from ..datasets.shapes.classes import ACTIONS
    from ..datasets.shapes.folder import Clip, Recipe, write_video

    recipe, chosen = Recipe(), ACTIONS[:: max(1, len(ACTIONS) // count)][:count]
    paths = []
    for action in chosen:
        name = action.name.replace(' ', '_')
        clip = Clip(action, 'plain', 'test', 0)
        write_video(folder / f'{name}.mp4', clip.frames(recipe))
        paths.append(str(folder / f'{name}.mp4'))
    return paths, [action.name for action in ACTIONS[:: max(1, len(ACTIONS) // 8)]]


def build_page(inferencer: MSTAInferencer, limits: Limits, examples: list[list[str]]) -> Any:
    """Return the page as Gradio blocks; ``examples`` are pairs of a video and labels."""
    from ..inference.page import AppError, answer, preview

    gr = import_gradio()
    known = (inferencer.model.classes.chosen and inferencer.labels) or []
    terms = f'At most {limits.megabytes} MB, {limits.seconds:g} s and {limits.labels} labels.'

    # One thread for all visitors: each keeps the memory that it once needed.
    worker = ThreadPoolExecutor(1, thread_name_prefix='msta-page')

    def recognise(video: str | None, labels: str) -> tuple[Any, ...]:
        try:
            found = worker.submit(answer, inferencer, video, labels, limits).result()
        except AppError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return found.scores, found.note, found.frames, found.plot

    with gr.Blocks(title='MSTA', analytics_enabled=False, delete_cache=(300, 900)) as page:
        gr.Markdown('# Any labels, any video')
        with gr.Row():
            with gr.Column():
                video = gr.File(label='Video', file_types=['video'], height=140)
                labels = gr.Textbox(
                    label='Labels',
                    # What the model was trained on, where it says so.
                    value=', '.join(known[: limits.labels]),
                    placeholder='cooking, dancing, playing chess',
                    lines=2,
                )
                button = gr.Button('Recognise', variant='primary')
                gr.Markdown(terms, elem_id='note')
            with gr.Column():
                # Not a player: browsers play few of the codecs that the model can read.
                first = gr.Image(label='First frame', buttons=[], height=220)
                scores = gr.Label(label='Scores', num_top_classes=_SHOWN_LABELS)
                note = gr.Markdown()
        gr.Markdown('**Where the model looks**, and the share of each frame')
        frames = gr.Image(show_label=False, buttons=[])
        gr.Markdown('**Over time**')
        plot = gr.Image(show_label=False, buttons=[])
        if examples:
            gr.Examples(examples, [video, labels], label='Examples: the Shapes world')
        video.change(preview, video, first, show_progress='hidden')
        button.click(recognise, [video, labels], [scores, note, frames, plot], concurrency_limit=1)
    for block in page.blocks.values():
        _refuse_addresses(block)
    return page


def _refuse_addresses(block: Any) -> None:
    """Keep Gradio from fetching what a visitor gives an address of in the place of a file."""
    gr = import_gradio()
    move = getattr(block, 'async_move_resource_to_block_cache', None)
    if move is None:
        return

    async def move_local(place: str | Path | None) -> str | None:
        if '://' in str(place):
            raise gr.Error('Upload a file: addresses are not fetched here.', print_exception=False)
        return await move(place)

    block.async_move_resource_to_block_cache = move_local


def serve(
    inferencer: MSTAInferencer,
    limits: Limits,
    host: str,
    port: int | None,
    with_examples: bool = True,
) -> None:
    """Serve the page; uploads and pictures live in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix='msta_app_') as name:
        folder = Path(name)
        # Both are read when Gradio is imported: before that is the only time to set them.
        os.environ['GRADIO_TEMP_DIR'] = str(folder / 'uploads')
        os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')
        gr = import_gradio()
        examples = []
        if with_examples:
            (folder / 'examples').mkdir()
            paths, names = make_examples(folder / 'examples')
            examples = [[path, ', '.join(names)] for path in paths]
        page = build_page(inferencer, limits, examples)
        page.queue(max_size=16)
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            max_file_size=f'{limits.megabytes}mb',
            allowed_paths=[str(folder / 'examples')],
            theme=gr.themes.Soft(font=_FONTS, font_mono=['monospace']),
            css=_CSS,
            footer_links=[],
            # What visitors ask for is kept nowhere, and sessions are few.
            run_history=False,
            state_session_capacity=_SESSIONS,
            prevent_thread_lock=True,
        )
        # Being told to stop must lead through here, or the folder would stay.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            page.block_thread()
        finally:
            page.close()


def import_gradio() -> Any:
    """Gradio, or an error with the command that installs it."""
    try:
        import gradio
    except ImportError as error:
        raise ImportError(f'the page needs Gradio: {INSTALL}') from error
    return gradio
