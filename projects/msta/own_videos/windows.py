"""Long videos as clips: windows of a few seconds, each with the class of the whole video."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from ..datasets.decoding import DecodeProcess
from ..datasets.readers import IsolatedReader
from ..files import replacing, write_json
from ..inference.annotate import h264_encoder
from .collect import Clip
from .state import digest

WINDOWS_FILE = 'windows.json'
# A video is long from so many windows on, and gives at most so many, evenly spread.
_LONG, _MOST = 3, 60
_FPS, _SIDE = 12.0, 360


def cut_long_videos(
    clips: Sequence[Clip],
    root: Path,
    seconds: Mapping[str, float],
    window_sec: float,
    folder: Path,
    say: Callable[[str], None],
) -> list[Clip]:
    """Put windows into the place of each video of at least three window lengths.

    Windows are files of their own, ``windows/NAME/0001.mp4`` below ``folder``, in at most 12
    frames per second and 360 pixels, so that reading one does not mean seeking through an hour.
    They have their video's classes, side and group, and so stay on one side of the split.

    Args:
        clips: what there is.
        root: the folder that their paths are relative to.
        seconds: path -> length.
        window_sec: length of a window; 0 cuts nothing.
        folder: where windows are kept; a video whose windows are there is not cut again.
        say: called with what is done.
    """
    long = [c for c in clips if window_sec and seconds.get(c.path, 0) >= _LONG * window_sec]
    if not long:
        return list(clips)
    say(
        f'videos of {_LONG * window_sec:g} s or more: {len(long)} (such as {long[0].path}): '
        f'each is cut into at most {_MOST} windows of {window_sec:g} s, and every window counts as '
        "a clip of the video's class. Where the action fills only part of a video, cut that part "
        'out instead; --window 0 keeps videos whole'
    )
    record = folder / WINDOWS_FILE
    done = json.loads(record.read_text(encoding='utf-8')) if record.is_file() else {}
    made: dict[str, list[str]] = {}
    for number, clip in enumerate(long, 1):
        source = str(root / clip.path)
        if done.get(source, {}).get('window_sec') != window_sec:
            say(f'cutting {clip.path} ({number} of {len(long)})')
            place = folder / 'windows' / f'{Path(source).stem}_{digest([source, window_sec])}'
            paths = [str(path) for path in _cut(source, window_sec, place)]
            done[source] = {'window_sec': window_sec, 'paths': paths}
            write_json(record, done, indent=1)
        made[clip.path] = done[source]['paths']
    return [
        part
        for clip in clips
        for part in (
            [replace(clip, path=path) for path in made[clip.path]] if clip.path in made else [clip]
        )
    ]


def _cut(video: str, window_sec: float, place: Path) -> list[Path]:
    """Write the windows of a video, in one pass over it."""
    process = DecodeProcess()
    try:
        reader = IsolatedReader(video, threads=0, patient=True, process=process)
        end_sec = float(reader.times[-1]) + 1 / reader.get_avg_fps()
        count = min(_MOST, round(end_sec / window_sec))
        paths = [place / f'{number:04}.mp4' for number in range(1, count + 1)]
        starts = np.linspace(0, end_sec - window_sec, count)
        for path, start_sec in zip(paths, starts, strict=True):
            with replacing(path) as temporary:
                _write(reader, float(start_sec), window_sec, temporary)
    finally:
        process.close()
    return paths


def _write(reader: IsolatedReader, start_sec: float, window_sec: float, path: Path) -> None:
    fps = Fraction(min(_FPS, reader.get_avg_fps())).limit_denominator(1001)
    wanted = start_sec + np.arange(max(1, int(window_sec * fps))) / float(fps)
    stream: Any = None
    with av.open(str(path), 'w', format='mp4') as container:
        for index in np.searchsorted(reader.times, wanted, 'right').clip(1) - 1:
            frame = reader.get_batch([int(index)]).asnumpy()[0]
            scale = min(1.0, _SIDE / min(frame.shape[:2]))
            height, width = (max(2, round(side * scale / 2) * 2) for side in frame.shape[:2])
            if stream is None:
                stream = container.add_stream(h264_encoder() or 'mpeg4', rate=fps)
                stream.height, stream.width, stream.pix_fmt = height, width, 'yuv420p'
            image = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())
