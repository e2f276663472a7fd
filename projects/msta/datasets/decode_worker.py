"""The decoding process: opens and reads videos for :mod:`.decoding`; may be killed at any time.

It starts without torch or OpenMMLab. One JSON request comes in per line of stdin, as
:meth:`.decoding.DecodeProcess.request` writes it; one JSON line goes out on stdout. Arrays lie in
the shared block, whose descriptor is the first argument. While a patient request takes long, lines
``{"alive": true}`` go out. It ends when stdin closes.
"""

import faulthandler
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import av.logging

from .frame_folder import FrameFolder
from .shared_memory import SharedBlock
from .tables import Table, Tables, UnreadableError
from .video_file import VideoFile

_BEAT_SEC = 1.0


class _Pictures(Protocol):
    table: Table
    lost: int

    def read(self, indices: Any) -> Any: ...

    def close(self) -> None: ...


class Worker:
    """Answers requests; keeps the file of the last one open."""

    def __init__(self, answers: BinaryIO, block: SharedBlock, silence: int) -> None:
        self._answers, self._block, self._silence = answers, block, silence
        self._tables = Tables()
        self._file: _Pictures | None = None
        self._opened: tuple[str, str, int, bool] | None = None
        self._request: dict[str, Any] = {}
        self._beaten = 0.0

    def answer(self, request: dict[str, Any]) -> None:
        self._request = request
        self._watch()
        try:
            header = self._do(request)
        except UnreadableError as error:
            self._close()
            header = {'error': error.reason, 'detail': error.detail}
        except Exception as error:
            self._close()
            header = {'error': 'other', 'detail': f'{type(error).__name__}: {error}'[:200]}
        faulthandler.cancel_dump_traceback_later()
        self._send(header)

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        opened = request['path'], request['decoder'], request['threads'], request['whole']
        if opened != self._opened or request['op'] == 'open' or self._file is None:
            self._close()
            self._file, self._opened = self._open(*opened), opened
        file, table = self._file, self._file.table
        if request['op'] == 'open':
            return {
                'num_frames': len(table),
                'fps': table.fps,
                'damaged': table.damaged,
                'total': table.total,
                'kind': getattr(file, 'kind', ()),
            }
        if request['op'] == 'times':
            self._block.array((len(table),), '<f8')[:] = table.times
            return {'shape': (len(table),), 'dtype': '<f8'}
        return self._read(file, request['indices'])

    def _read(self, file: _Pictures, indices: list[int]) -> dict[str, Any]:
        out = None
        wanted = sorted(set(indices))
        places: dict[int, list[int]] = {index: [] for index in wanted}
        for place, index in enumerate(indices):
            places[index].append(place)
        for index, picture in zip(wanted, file.read(wanted), strict=True):
            if out is None:
                out = self._block.array((len(indices), *picture.shape), '|u1')
            out[places[index]] = picture
        assert out is not None
        header = {'shape': out.shape, 'dtype': '|u1', 'lost': file.lost}
        if not self._request['keep']:
            self._close()
        return header

    def _open(self, path: str, decoder: str, threads: int, whole: bool) -> _Pictures:
        if Path(path).is_dir():
            return FrameFolder(path)
        if decoder == 'decord':
            from .decord_file import DecordFile

            return DecordFile(path)
        # The count of errors waits for a lock that several threads of a decoder could block.
        av.logging.set_level(av.logging.ERROR if threads == 1 else None)
        return VideoFile(path, self._tables, threads, whole, self._beat)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._opened = None

    def _send(self, header: dict[str, Any]) -> None:
        self._answers.write(json.dumps(header).encode() + b'\n')
        self._answers.flush()

    def _watch(self) -> None:
        # Ends a hung process whose parent is gone; a live parent kills it earlier.
        seconds = self._request['limit_sec'] + 30
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._silence)
        self._beaten = time.monotonic()

    def _beat(self) -> None:
        if self._request['patient'] and time.monotonic() - self._beaten > _BEAT_SEC:
            self._watch()
            self._send({'alive': True})


def main() -> None:
    # An interrupted parent closes stdin; a video must not seem broken because of the keyboard.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Decoders write to both standard streams: the answers go where they cannot reach.
    answers = os.fdopen(os.dup(1), 'wb')
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    worker = Worker(answers, SharedBlock(int(sys.argv[1])), silence)
    answers.write(b'ready\n')
    answers.flush()
    for line in sys.stdin.buffer:
        worker.answer(json.loads(line))
