"""Timelines one can look at: an annotated video and a plot. No torch."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from ..files import replacing
from .segments import Cell, Timeline
from .streams import FileStream, at_constant_rate

_SHADE = 0.35
_BAR_BGR = (200, 160, 60)
_WHITE = (255, 255, 255)
_PLOTTED_LABELS = 8


def write_annotated_video(
    timeline: Timeline, path: str | Path, bars: int = 3, max_side: int = 1280
) -> None:
    """Copy the video to an mp4 with each window's best labels, and a bar for their probabilities.

    It is read a second time, frame by frame; frames larger than ``max_side`` are reduced.
    """
    if Path(path).suffix.lower() != '.mp4':
        raise ValueError(f'{path}: an annotated video is an .mp4 file')
    if Path(path).exists() and Path(path).samefile(timeline.video):
        raise ValueError(f'{path}: the annotated video would overwrite the video itself')
    cells = list(timeline.cells)

    def draw(seconds: float, image: np.ndarray) -> np.ndarray:
        while len(cells) > 1 and seconds >= cells[0].end_sec:
            del cells[0]
        return draw_cell(image, cells[0], bars)

    with replacing(path) as temporary:
        copy_video(timeline.video, temporary, max_side, draw)


def copy_video(
    video: str,
    path: Path,
    max_side: int,
    draw: Callable[[float, np.ndarray], np.ndarray] = lambda seconds, image: image,
) -> None:
    """Write a video again, as an mp4 at its mean rate, which browsers play where H.264 is at hand.

    ``draw`` changes frames ``(H, W, 3)``, uint8 BGR.
    """
    encoder = h264_encoder()
    if encoder is None:
        warnings.warn(
            'no H.264 encoder here (pip install av): the mp4 is MPEG-4 part 2, which VLC plays and '
            'browsers do not',
            stacklevel=2,
        )
    logging.getLogger('libav').setLevel(logging.ERROR)  # the encoder's own statistics
    options = {'movflags': '+faststart'}
    written: Any = None
    with (
        closing(FileStream(video)) as stream,
        av.open(str(path), 'w', format='mp4', options=options) as container,
    ):
        for seconds, frame in at_constant_rate(stream):
            image = _fit(frame[..., ::-1], max_side)
            if written is None:
                rate = Fraction(stream.fps).limit_denominator(1001)
                written = container.add_stream(encoder or 'mpeg4', rate=rate)
                written.height, written.width = image.shape[:2]
                written.pix_fmt = 'yuv420p'
            picture = av.VideoFrame.from_ndarray(draw(seconds, image), format='bgr24')
            container.mux(written.encode(picture))
        if written is not None:
            container.mux(written.encode())


def h264_encoder() -> str | None:
    """Return the name of a software encoder for H.264, or None."""
    names = ('libx264', 'libopenh264')
    return next((name for name in names if name in av.codecs_available), None)


def _fit(image: np.ndarray, max_side: int) -> np.ndarray:
    """Reduce to ``max_side``, and enlarge what is too small to write on; sides become even."""
    height, width = image.shape[:2]
    side = max(height, width)
    scale = 320 / side if side < 320 else min(1.0, max_side / side)
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    return cv2.resize(image, size) if size != (width, height) else np.ascontiguousarray(image)


def draw_cell(image: np.ndarray, cell: Cell, bars: int) -> np.ndarray:
    """Labels over a darkened strip at the foot of a BGR frame; the answer first, in bold."""
    height, width = image.shape[:2]
    size = max(0.4, min(height, width) / 600)
    row = int(34 * size)
    rows = list(zip(cell.labels, cell.probabilities, strict=True))[:bars]
    top = max(0, height - row * len(rows) - row // 3)
    image[top:] = (image[top:] * _SHADE).astype(np.uint8)
    for number, (name, probability) in enumerate(rows):
        base = top + row * (number + 1) - row // 4
        reach = int((width - 2 * row) * min(max(probability, 0.0), 1.0))
        cv2.rectangle(image, (row, base + 3), (row + reach, base + 5), _BAR_BGR, -1)
        weight = 2 if number == 0 and cell.label == name else 1
        place, font = (row, base), cv2.FONT_HERSHEY_SIMPLEX
        text = f'{probability:4.0%} {name}'
        cv2.putText(image, text, place, font, size, _WHITE, weight, cv2.LINE_AA)
    return image


def write_timeline_plot(timeline: Timeline, path: str | Path) -> None:
    """A picture of the windows' probabilities over time, above the merged segments."""
    from .pictures import new_figure, save

    figure = new_figure(10, 4.5)
    curves, strip = figure.subplots(2, 1, sharex=True, gridspec_kw={'height_ratios': [5, 1]})
    centres = [(cell.start_sec + cell.end_sec) / 2 for cell in timeline.cells]
    rows = [dict(zip(cell.labels, cell.probabilities, strict=True)) for cell in timeline.cells]
    colours = {name: f'C{i}' for i, name in enumerate(winners(timeline)[:_PLOTTED_LABELS])}
    for name, colour in colours.items():
        values = [row.get(name, 0.0) for row in rows]
        curves.plot(centres, values, label=name, color=colour, marker='.')
    curves.set(ylabel='probability', ylim=(0, 1.02), title=Path(timeline.video).name)
    curves.legend(loc='center left', bbox_to_anchor=(1, 0.5), frameon=False)
    for segment in timeline.segments:
        colour = colours.get(segment.label, '0.8')
        strip.axvspan(segment.start_sec, segment.end_sec, color=colour, linewidth=0)
    strip.set(xlabel='seconds', yticks=[], xlim=(0, timeline.duration_sec))
    save(figure, path)


def winners(timeline: Timeline) -> list[str]:
    """Labels by the time that they win, most first."""
    won: Counter[str] = Counter()
    for cell in timeline.cells:
        won[cell.labels[0]] += cell.end_sec - cell.start_sec  # type: ignore[assignment]
    return [name for name, _ in won.most_common()]
