"""What the page in the browser answers: limits, scores, frames looked at and a timeline."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..datasets.decoding import VideoDecodeError
from ..labels import LabelError, read_labels
from .annotate import write_timeline_plot
from .inferencer import MSTAInferencer
from .long_videos import analyse
from .pictures import heat
from .probes import cls_attention
from .sources import Source
from .streams import FileStream

_MIN_SIDE = 160
_COLUMNS = 4


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
    if (shown := inferencer.shown(scores[0])) is not None:
        note += f'; shown: {", ".join(shown) or "none of the labels"}'
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
    """Return the length of a video in seconds, within the limits."""
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
    """Return the first frame of an upload, or None where there is none to show."""
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
