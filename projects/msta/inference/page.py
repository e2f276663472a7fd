"""What the page in the browser answers: limits, scores, frames looked at and what is when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..datasets.decoding import VideoDecodeError
from ..files import replacing
from ..labels import LabelError, read_labels
from .annotate import copy_video, h264_encoder
from .inferencer import MSTAInferencer
from .long_videos import analyse
from .pictures import heat
from .probes import cls_attention
from .segments import Timeline
from .sources import Source
from .streams import FileStream

# Codecs that current browsers play, by container.
_PLAYED = {'.mp4': ('h264', 'av1'), '.webm': ('vp8', 'vp9', 'av1')}
_MAX_SIDE = 640  # of a copy that is made for the player


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
    """``scores`` by label; ``frames`` looked at ``(H, W, 3)``, RGB, with captions; what is when."""

    scores: dict[str, float]
    note: str
    frames: list[tuple[np.ndarray, str]]
    timeline: Timeline


def answer(inferencer: MSTAInferencer, video: str | None, text: str, limits: Limits) -> Answer:
    """Recognise a visitor's video.

    Raises:
        AppError: for anything about the request that is beyond the limits or cannot be read.
    """
    labels = parse_labels(text, limits)
    if not video:
        raise AppError('Choose a video first.')
    seconds, _ = check_video(video, limits)
    inferencer.set_labels(labels)
    # By the loader's threads, which keep their decoding processes; Gradio's come and go.
    (loaded,) = inferencer.loader.load_all([Source(video)], 1)
    if loaded.inputs is None:
        raise AppError(_without_path(loaded.error, video))
    cosines, _, scores = inferencer.score(loaded.inputs[None])
    scores_of = dict(zip(labels, scores[0].tolist(), strict=True))
    note = f'{seconds:.1f} s of video, best cosine {cosines.max():.3f}'
    if (shown := inferencer.shown(scores[0])) is not None:
        note += f'; shown: {", ".join(shown) or "none of the labels"}'
    window = max(1.0, min(4.0, seconds / 8))
    timeline = analyse(inferencer, video, window, topk=len(labels))
    if timeline.error:
        raise AppError(_without_path(timeline.error, video))
    return Answer(scores_of, note, _looked_at(inferencer, loaded.inputs[0]), timeline)


def parse_labels(text: str, limits: Limits) -> list[str]:
    """Names that a visitor typed, separated by commas or lines."""
    names = [name for part in re.split('[,\n]', text or '') if (name := part.strip())]
    if not names:
        raise AppError('Type some labels, separated by commas.')
    if len(names) > limits.labels:
        raise AppError(f'{len(names)} labels are too many: at most {limits.labels} here.')
    return _checked(list(dict.fromkeys(names)), limits)


def _checked(names: list[str], limits: Limits) -> list[str]:
    longest = max(map(len, names))
    if longest > limits.characters:
        raise AppError(f'A label of {longest} characters is too long: at most {limits.characters}.')
    try:
        return read_labels(names)
    except LabelError as error:
        raise AppError(str(error)) from error


def check_video(path: str, limits: Limits) -> tuple[float, Sequence[str]]:
    """Return the length of a video in seconds, within the limits, and its :attr:`FileStream.kind`.

    Raises:
        AppError: it is beyond the limits, or cannot be read.
    """
    try:
        size = Path(path).stat().st_size / 1e6
    except FileNotFoundError as error:
        raise AppError('This upload is not here any more: choose the video again.') from error
    if size > limits.megabytes:
        raise AppError(f'{size:.0f} MB are too much: at most {limits.megabytes} MB here.')
    try:
        stream = FileStream(path)
    except VideoDecodeError as error:
        raise AppError(_without_path(str(error), path)) from error
    stream.close()
    seconds = stream.total / stream.fps
    if seconds > limits.seconds:
        raise AppError(f'{seconds:.0f} s of video are too long: at most {limits.seconds:g} s here.')
    return seconds, stream.kind


def check_correction(video: str | None, label: str | None, limits: Limits) -> str:
    """Return a visitor's right label for a video, without spaces around it."""
    if not video:
        raise AppError('Choose a video first.')
    if not label or not label.strip():
        raise AppError('Choose or type what the video shows.')
    (label,) = _checked([label.strip()], limits)
    check_video(video, limits)
    return label


def playable(path: str, limits: Limits) -> str | None:
    """Return the video, or a copy of it beside it that browsers play; None if none can be made.

    Raises:
        AppError: as :func:`check_video`.
    """
    _, kind = check_video(path, limits)
    if kind and kind[2] in ('yuv420p', 'yuvj420p'):
        suffix = Path(path).suffix.lower()
        if suffix[1:] in kind[0].split(',') and kind[1] in _PLAYED.get(suffix, ()):
            return path
    if h264_encoder() is None:
        return None
    copy = Path(path).with_suffix('.playable.mp4')
    try:
        with replacing(copy) as temporary:
            copy_video(path, temporary, _MAX_SIDE)
    except VideoDecodeError as error:
        raise AppError(_without_path(str(error), path)) from error
    return str(copy)


def _looked_at(inferencer: MSTAInferencer, clip: Tensor) -> list[tuple[np.ndarray, str]]:
    """Frames of a clip ``(3, T, H, W)`` under the attention of the class token, with its shares.

    A tower without a class token has its frames as they are.
    """
    frames = clip.permute(1, 2, 3, 0).numpy()
    if inferencer.model.backbone.foundation.visual.arch.pooling != 'cls':
        return [(frame, '') for frame in frames]
    weights = cls_attention(inferencer.model, clip).numpy()
    shares = weights.sum((1, 2)) / weights.sum()
    heats = map(heat, frames, weights / weights.max(axis=(1, 2), keepdims=True))
    return [(frame, f'{share:.0%}') for frame, share in zip(heats, shares, strict=True)]


def _without_path(message: str | None, path: str) -> str:
    return (message or '').replace(path, 'This file')
