"""A page in the browser: drop a video, type labels, see scores, frames and a timeline."""

from __future__ import annotations

import os
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..datasets.decoding import VideoDecodeError
from ..inference.annotate import write_timeline_plot
from ..inference.attention import cls_attention
from ..inference.inferencer import MSTAInferencer
from ..inference.long_videos import analyse
from ..inference.pictures import heat
from ..inference.sources import Source
from ..inference.streams import FileStream
from ..labels import LabelError, read_labels

INSTALL = 'pip install -r requirements/app.txt'
_SHOWN_LABELS = 10
_MIN_SIDE = 160
_COLUMNS = 4
_SESSIONS = 100
# Nothing is fetched from outside: the theme's own fonts would be.
_FONTS = ['system-ui', 'sans-serif']
_CSS = """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
#note { opacity: .75; font-size: .9em; }
"""


class AppError(ValueError):
    """A request that the page declines; the message is shown to its visitor."""


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask for: size and length of a video, number and length of labels."""

    megabytes: int = 100
    seconds: float = 300.0
    labels: int = 200
    characters: int = 100


@dataclass
class Answer:
    """``scores`` by label; pictures ``(H, W, 3)``, RGB: the frames looked at, and the timeline."""

    scores: dict[str, float]
    note: str
    frames: np.ndarray
    plot: np.ndarray | None


def answer(inferencer: MSTAInferencer, video: str | None, text: str, limits: Limits) -> Answer:
    """Recognise a visitor's video.

    Raises:
        AppError: for anything about the request that is beyond the limits or cannot be read.
    """
    labels = parse_labels(text, limits)
    if not video:
        raise AppError('Choose a video first.')
    seconds = check_video(video, limits)
    inferencer.set_labels(labels)
    # By the loader's threads, which keep their decoding processes; Gradio's come and go.
    (loaded,) = inferencer.loader.load_all([Source(video)], 1)
    if loaded.inputs is None:
        raise AppError(_without_path(loaded.error or '', video))
    cosines, _, scores = inferencer.score(loaded.inputs[None])
    scores_of = dict(zip(labels, scores[0].tolist(), strict=True))
    clip = loaded.inputs[0]
    weights = cls_attention(inferencer.model, clip).numpy()
    frames = [
        _captioned(heat(frame, w / weights.max()), f'{w.sum() / weights.sum():.0%}')
        for frame, w in zip(clip.permute(1, 2, 3, 0).numpy(), weights, strict=True)
    ]
    note = f'{seconds:.1f} s of video, best cosine {cosines.max():.3f}'
    return Answer(scores_of, note, _sheet(frames), _plot(inferencer, video, seconds))


def parse_labels(text: str, limits: Limits) -> list[str]:
    """Names that a visitor typed, separated by commas or lines."""
    names = [part.strip() for line in (text or '').splitlines() for part in line.split(',')]
    names = [name for name in names if name]
    if not names:
        raise AppError('Type some labels, separated by commas.')
    if len(names) > limits.labels:
        raise AppError(f'{len(names)} labels are too many: at most {limits.labels} here.')
    long = next((name for name in names if len(name) > limits.characters), None)
    if long is not None:
        raise AppError(
            f'A label of {len(long)} characters is too long: at most {limits.characters}.'
        )
    try:
        return read_labels(list(dict.fromkeys(names)))
    except LabelError as error:
        raise AppError(str(error)) from error


def check_video(path: str, limits: Limits) -> float:
    """The length of a video in seconds, within the limits."""
    size = Path(path).stat().st_size / 1e6
    if size > limits.megabytes:
        raise AppError(f'{size:.0f} MB are too much: at most {limits.megabytes} MB here.')
    try:
        stream = FileStream(path)
    except VideoDecodeError as error:
        raise AppError(_without_path(str(error), path)) from error
    seconds = stream.total / stream.fps
    stream.close()
    if seconds > limits.seconds:
        raise AppError(f'{seconds:.0f} s of video are too long: at most {limits.seconds:g} s here.')
    return seconds


def _without_path(message: str, path: str) -> str:
    return message.replace(path, 'This file')


def _plot(inferencer: MSTAInferencer, video: str, seconds: float) -> np.ndarray | None:
    """The timeline's picture, ``(H, W, 3)``, RGB; Gradio keeps and removes the file of it."""
    window = max(1.0, min(4.0, seconds / 8))
    timeline = analyse(inferencer, video, window, window / 2)
    if not timeline.ok:
        return None
    timeline.video = ''
    with tempfile.TemporaryDirectory(prefix='msta_plot_') as folder:
        write_timeline_plot(timeline, Path(folder, 'plot.png'))
        picture = cv2.imread(str(Path(folder, 'plot.png')))
    return None if picture is None else np.ascontiguousarray(picture[..., ::-1])


def _captioned(image: np.ndarray, text: str) -> np.ndarray:
    scale = max(1.0, _MIN_SIDE / min(image.shape[:2]))
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    place = (8, size[1] - 10)
    cv2.putText(large, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
    return large


def _sheet(frames: list[np.ndarray]) -> np.ndarray:
    """Frames in rows of four, with white gaps."""
    columns = min(_COLUMNS, len(frames))
    frames = frames + [np.full_like(frames[0], 255)] * (-len(frames) % columns)
    framed = [np.pad(f, ((2, 2), (2, 2), (0, 0)), constant_values=255) for f in frames]
    rows = [np.hstack(framed[i : i + columns]) for i in range(0, len(framed), columns)]
    return np.vstack(rows)


def preview(video: str | None) -> np.ndarray | None:
    """The first frame of an upload, or None where there is none to show."""
    if not video:
        return None
    try:
        stream = FileStream(video)
    except VideoDecodeError:
        return None
    try:
        return stream.frame() if stream.grab() else None
    finally:
        stream.close()


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
    """The page as Gradio blocks; ``examples`` are pairs of a video and labels."""
    gr = import_gradio()
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
                    label='Labels', placeholder='cooking, dancing, playing chess', lines=2
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
