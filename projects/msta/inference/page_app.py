"""The page in the browser: its parts, and what happens when they are used. Needs Gradio."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.shapes.classes import ACTIONS
from ..datasets.shapes.folder import Clip, Recipe, write_video
from ..paths import PACKAGE
from .inferencer import MSTAInferencer
from .page import AppError, Limits, answer, check_correction, playable
from .page_timeline import timeline_html

INSTALL = 'pip install -r requirements/app.txt'
# Nothing is fetched from outside: the theme's own fonts would be.
_FONTS = ['system-ui', 'sans-serif']


@dataclass(frozen=True)
class Example:
    """A video to try, a picture of it ``(H, W, 3)``, RGB, and labels."""

    path: str
    name: str
    picture: np.ndarray
    labels: Sequence[str]


def make_examples(folder: Path, count: int = 3) -> list[Example]:
    """Render videos of the Shapes world: one per action, and one of these in turn."""
    recipe, chosen = Recipe(), ACTIONS[:: max(1, len(ACTIONS) // count)][:count]
    names = [action.name for action in ACTIONS[:: max(1, len(ACTIONS) // (2 * count))]]
    clips = {action.name: Clip(action, 'plain', 'test', 0).frames(recipe) for action in chosen}
    pictures = {name: frames[len(frames) // 2] for name, frames in clips.items()}
    pictures[(turn := f'{count} actions in turn')] = np.hstack([*pictures.values()])
    clips[turn] = np.concatenate([*clips.values()])
    made = []
    for name, frames in clips.items():
        path = folder / f'{name.replace(" ", "_")}.mp4'
        write_video(path, frames)
        made.append(Example(str(path), name, pictures[name], names))
    return made


def build_page(
    inferencer: MSTAInferencer,
    limits: Limits,
    examples: Sequence[Example] = (),
    store: Callable[[str, str], str] | None = None,
) -> Any:
    """Return the page as Gradio blocks.

    ``store`` keeps a video and its right label, and says what became of it in Markdown; without it
    nothing can be corrected.
    """
    gr = import_gradio()
    known = inferencer.model.labels or []
    terms = f'At most {limits.megabytes} MB, {limits.seconds:g} s and {limits.labels} labels.'

    # One thread for all visitors: each keeps the memory that it once needed.
    worker = ThreadPoolExecutor(1, thread_name_prefix='msta-page')

    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return worker.submit(function, *arguments).result()
        except (AppError, OSError) as error:
            text = str(error) if isinstance(error, AppError) else f'{error.strerror}, on the server'
            raise gr.Error(escape(text), 20, print_exception=False) from error

    def preview(path: str | None) -> tuple[Any, ...]:
        shown = ask(playable, path, limits) if path else None
        unplayed = bool(path) and shown is None
        return (
            gr.Column(visible=bool(path)),
            gr.Video(shown, visible=not unplayed),
            gr.Markdown(visible=unplayed),
        )

    def recognise(path: str | None, text: str) -> tuple[Any, ...]:
        found = ask(answer, inferencer, path, text, limits)
        right = gr.Dropdown(choices=list(found.scores), value=None)
        return (
            found.scores,
            found.note,
            timeline_html(found.timeline),
            found.frames,
            right,
            *(gr.Column(visible=True),) * 3,
        )

    def correct(path: str | None, label: str | None) -> Any:
        assert store is not None
        label = ask(check_correction, path, label, limits)
        return gr.Markdown(ask(store, path, label), visible=True)

    def choose(event: Any) -> tuple[Any, ...]:
        chosen = examples[event.index]
        return chosen.path, ', '.join(chosen.labels), gr.Gallery(selected_index=None)

    choose.__annotations__ = {'event': gr.SelectData}  # by which Gradio knows what to give

    quiet: dict[str, Any] = dict(show_progress='hidden', api_visibility='private', queue=False)
    pictures: dict[str, Any] = dict(show_label=False, columns=4, object_fit='contain', buttons=[])
    pictures['elem_classes'] = 'pictures'
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
                    lines=3,
                )
                button = gr.Button('Recognise', variant='primary')
                gr.Markdown(terms, elem_classes='quiet')
                if examples:
                    gr.Markdown('Or try one of the Shapes world:')
                    gallery = gr.Gallery(
                        [(example.picture, example.name) for example in examples],
                        allow_preview=False,
                        interactive=False,
                        **pictures,
                    )
            with gr.Column(visible=False) as beside:
                player = gr.Video(show_label=False, interactive=False, buttons=[], elem_id='player')
                unplayed = gr.Markdown(
                    'Browsers do not play this kind of video, and it could not be converted here. '
                    'It can be recognised all the same.',
                    visible=False,
                )
                with gr.Column(visible=False) as over_time:
                    timeline = gr.HTML(elem_id='timeline', js_on_load=None)
        with gr.Column(visible=False) as results, gr.Row():
            with gr.Column():
                scores = gr.Label(label='Scores of the whole video', num_top_classes=5)
                note = gr.Markdown(elem_classes='quiet')
                with gr.Group(visible=store is not None):
                    right = gr.Dropdown(
                        label='Wrong? Choose or type what it shows', allow_custom_value=True
                    )
                    mend = gr.Button('Correct this')
                stored = gr.Markdown(visible=False, elem_id='stored')
            with gr.Column():
                gr.Markdown('**Where the model looks**, and the share of each frame')
                frames = gr.Gallery(**pictures)
        panels = [over_time, results, stored]
        video.change(lambda: [gr.Column(visible=False)] * 4, None, [*panels, beside], **quiet).then(
            preview, video, [beside, player, unplayed], show_progress_on=video
        )
        asked = button.click(
            lambda: gr.Button('Recognising ...', interactive=False), None, button, **quiet
        ).then(
            recognise,
            [video, labels],
            [scores, note, timeline, frames, right, *panels],
            concurrency_limit=1,
            show_progress_on=[player, button],
        )
        # Not `then`: the page of Gradio 6.31 does not go on with that after an error.
        for end in (asked.success, asked.failure):
            end(lambda: gr.Button('Recognise', interactive=True), None, button, **quiet)
        if store is not None:
            mend.click(correct, [video, right], stored, show_progress_on=mend)
        if examples:
            gallery.select(choose, None, [video, labels, gallery], **quiet)
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
    store: Callable[[str, str], str] | None = None,
) -> None:
    """Serve the page; uploads and pictures live in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix='msta_app_') as name:
        folder = Path(name)
        # Both are read when Gradio is imported: before that is the only time to set them.
        os.environ['GRADIO_TEMP_DIR'] = str(folder / 'uploads')
        os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')
        gr = import_gradio()
        (folder / 'examples').mkdir()
        examples = make_examples(folder / 'examples') if with_examples else []
        page = build_page(inferencer, limits, examples, store)
        page.queue(max_size=16)
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            max_file_size=f'{limits.megabytes}mb',
            allowed_paths=[str(folder / 'examples')],
            theme=gr.themes.Soft(font=_FONTS, font_mono=['monospace']),
            css=(PACKAGE / 'data' / 'page.css').read_text(encoding='utf-8'),
            js=(PACKAGE / 'data' / 'page.js').read_text(encoding='utf-8').strip(),
            footer_links=[],
            # What visitors ask for is kept nowhere, and sessions are few.
            run_history=False,
            state_session_capacity=100,
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
