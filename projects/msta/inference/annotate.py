"""Timelines one can look at: an annotated video and a plot. No torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .results import write_whole
from .segments import Cell, Timeline
from .streams import FileStream, StreamError, at_constant_rate

_SHADE = 0.35
_BAR_BGR = (200, 160, 60)
_WHITE = (255, 255, 255)
_PLOTTED_LABELS = 8


def write_annotated_video(
    timeline: Timeline,
    path: str | Path,
    bars: int = 3,
    max_side: int = 1280,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Copy the video to an mp4 with each window's best labels, and a bar for their probabilities.

    It is read a second time, frame by frame; frames larger than ``max_side`` are reduced.
    """
    if Path(path).suffix.lower() != '.mp4':
        raise ValueError(f'{path}: an annotated video is an .mp4 file')
    if Path(path).exists() and Path(path).samefile(timeline.video):
        raise ValueError(f'{path}: the annotated video would overwrite the video itself')

    cells = iter(timeline.cells)
    cell = next(cells)

    def draw(seconds: float, image: np.ndarray) -> np.ndarray:
        nonlocal cell
        while seconds >= cell.end_sec and (following := next(cells, None)) is not None:
            cell = following
        if progress is not None:
            progress(seconds)
        return draw_cell(image, cell, bars)

    write_whole(path, lambda temporary: copy_video(timeline.video, temporary, max_side, draw))


def copy_video(
    video: str,
    path: Path,
    max_side: int,
    draw: Callable[[float, np.ndarray], np.ndarray] = lambda seconds, image: image,
) -> None:
    """Write a video again at its mean rate; ``draw`` changes frames ``(H, W, 3)``, uint8 BGR."""
    stream = FileStream(video)
    writer: VideoWriter | None = None
    try:
        for seconds, frame in at_constant_rate(stream):
            image = _fit(frame[..., ::-1], max_side)
            if writer is None:
                writer = VideoWriter(path, image.shape[1], image.shape[0], stream.fps)
            writer.write(draw(seconds, image))
    finally:
        stream.close()
        if writer is not None:
            writer.close()


class VideoWriter:
    """An mp4 of BGR frames: H.264, which browsers play, where the installation has an encoder."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        self._container: Any = None
        self._stream: Any = None
        encoder = h264_encoder()
        if encoder is None:
            warnings.warn(
                'no H.264 encoder here (pip install av): the mp4 is MPEG-4 part 2, which VLC '
                'plays and browsers do not',
                stacklevel=2,
            )
            codec = cv2.VideoWriter.fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(str(path), codec, fps, (width, height))
            if not self._writer.isOpened():
                raise StreamError(f'{path}: this build of OpenCV cannot write mp4 files')
            return
        import av

        logging.getLogger('libav').setLevel(logging.ERROR)  # the encoder's own statistics
        options = {'movflags': '+faststart'}
        self._container = av.open(str(path), 'w', format='mp4', options=options)
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._container.add_stream(encoder, rate=rate)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = 'yuv420p'

    def write(self, image: np.ndarray) -> None:
        """Append a frame ``(H, W, 3)``, uint8 BGR, of even sides."""
        if self._container is None:
            self._writer.write(image)
            return
        import av

        frame = av.VideoFrame.from_ndarray(image, format='bgr24')
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is still held back, and the end of the file."""
        if self._container is None:
            self._writer.release()
            return
        self._container.mux(self._stream.encode())
        self._container.close()


def h264_encoder() -> str | None:
    """Return the name of a software encoder for H.264, or None."""
    try:
        import av
    except ImportError:
        return None
    names = ('libx264', 'libopenh264')
    return next((name for name in names if name in av.codecs_available), None)


def _fit(image: np.ndarray, max_side: int) -> np.ndarray:
    """Reduce to ``max_side``, and enlarge what is too small to write on; sides become even."""
    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    if max(height, width) < 320:
        scale = 320 / max(height, width)
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

    names = winners(timeline)[:_PLOTTED_LABELS]
    figure = new_figure(10, 4.5)
    curves, strip = figure.subplots(2, 1, sharex=True, gridspec_kw={'height_ratios': [5, 1]})
    centres = [(cell.start_sec + cell.end_sec) / 2 for cell in timeline.cells]
    colours = {name: f'C{index}' for index, name in enumerate(names)}
    for name in names:
        values = [
            dict(zip(cell.labels, cell.probabilities, strict=True)).get(name, 0.0)
            for cell in timeline.cells
        ]
        curves.plot(centres, values, label=name, color=colours[name], marker='.')
    curves.set(ylabel='probability', ylim=(0, 1.02), title=Path(timeline.video).name)
    curves.legend(loc='center left', bbox_to_anchor=(1, 0.5), frameon=False)
    for segment in timeline.segments:
        colour = colours.get(segment.label, '0.8')
        strip.axvspan(segment.start_sec, segment.end_sec, color=colour, linewidth=0)
    strip.set(xlabel='seconds', yticks=[], xlim=(0, timeline.duration_sec))
    save(figure, path)


def winners(timeline: Timeline) -> list[str]:
    """Labels by the time that they win, most first."""
    won: dict[str, float] = {}
    for cell in timeline.cells:
        won[cell.labels[0]] = won.get(cell.labels[0], 0.0) + cell.end_sec - cell.start_sec
    return sorted(won, key=lambda name: -won[name])
