"""The decoding process: opens and reads videos for :mod:`.decoding`; may be killed at any time.

Run as a file (``python -P decode_worker.py``), so that it starts without torch or OpenMMLab. One
JSON request a line comes in on stdin, ``{"path", "indices" | null, "limit_sec"}``; one JSON line
goes out on stdout, followed by the raw frames if any were asked for. It ends when stdin closes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from collections.abc import Sequence

import decord
import numpy as np


def open_video(path: str) -> decord.VideoReader:
    """Open by path: reading the file into memory first makes decord crash on truncated AVI."""
    return decord.VideoReader(path, num_threads=1)


def read_frames(reader: decord.VideoReader, path: str, indices: Sequence[int]) -> np.ndarray:
    """Frames (N, H, W, 3), uint8 RGB.

    Some widths (16, 24, 48) leave rows padded that decord cannot copy, and rotated videos reach
    them too. Those are read at four times their size and averaged back.
    """
    try:
        return reader.get_batch(list(indices)).asnumpy()
    except decord.DECORDError as error:
        if 'size must exactly match' not in str(error):
            raise
    reader.seek(0)
    height, width = reader.next().shape[:2]
    enlarged = decord.VideoReader(path, width=4 * width, height=4 * height, num_threads=1)
    frames = enlarged.get_batch(list(indices)).asnumpy()
    blocks = frames.reshape(len(frames), height, 4, width, 4, 3)
    return np.rint(blocks.mean((2, 4))).astype(np.uint8)


def _answer(request: dict, opened: dict[str, decord.VideoReader]) -> tuple[dict, np.ndarray | None]:
    path = request['path']
    if path not in opened or request['indices'] is None:
        opened.clear()
        opened[path] = open_video(path)
    reader = opened[path]
    if request['indices'] is None:
        return {'num_frames': len(reader), 'fps': reader.get_avg_fps()}, None
    frames = np.ascontiguousarray(read_frames(reader, path, request['indices']))
    opened.clear()
    return {'shape': frames.shape}, frames


def main() -> None:
    # An interrupted parent closes stdin; a video must not seem broken because of the keyboard.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # decord and FFmpeg write to both standard streams: the answers go where they cannot reach.
    answers = os.fdopen(os.dup(1), 'wb')
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    opened: dict[str, decord.VideoReader] = {}
    answers.write(b'ready\n')
    answers.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # Ends a hung process whose parent is gone; a live parent kills it earlier.
        faulthandler.dump_traceback_later(request['limit_sec'] + 30, exit=True, file=silence)
        frames = None
        try:
            header, frames = _answer(request, opened)
        except Exception as error:
            opened.clear()
            header = {'error': str(error) or type(error).__name__}
        faulthandler.cancel_dump_traceback_later()
        answers.write(json.dumps(header).encode() + b'\n')
        if frames is not None:
            answers.write(frames.tobytes())
        answers.flush()


if __name__ == '__main__':
    main()
