"""Video decoding that a broken file cannot hang, crash, or fill the terminal with bytes.

decord 0.6 hangs on some truncated files, crashes on others and dumps what it reads. It runs in a
process of its own, one a DataLoader worker (or thread), which is killed and replaced when it is
late. The frames come back through a pipe, which costs a few milliseconds a clip.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

REASONS = {
    'missing': 'file not found',
    'empty': 'empty file (0 bytes)',
    'permission': 'no permission to read',
    'not_a_file': 'a folder, not a file',
    'unreadable': 'not a video, or cut off before its index',
    'no_video': 'no video stream that decord can decode (audio only, or a codec such as AV1)',
    'no_frames': 'no frames',
    'damaged': 'damaged or truncated stream',
    'timeout': 'decoding hung',
    'crash': 'the decoder crashed',
    'skipped': 'in the skip list',
    'other': 'decoding failed',
}

_START_LIMIT_SEC = 120.0
_PIPE_BYTES = 1 << 20

# part of decord's message -> key of REASONS
_MESSAGES = {
    'cannot find video stream': 'no_video',
    'Error reading': 'unreadable',
    'Failed to measure duration': 'no_frames',
    'Invalid frame count': 'no_frames',
    'avfilter_graph_create_filter': 'damaged',
    'av_read_frame failed': 'damaged',
    'Unable to handle EOF': 'damaged',
    'threaded_decoder': 'damaged',
    'Error getting frame': 'damaged',
}


class VideoDecodeError(RuntimeError):
    """A video that cannot be read.

    ``path``, ``reason`` (a key of :data:`REASONS`) and ``detail`` are attributes.
    """

    def __init__(self, path: str, reason: str = 'other', detail: str = '') -> None:
        self.path, self.reason, self.detail = path, reason, detail
        super().__init__(f'{path}: {REASONS[reason]}' + (f' ({detail})' if detail else ''))

    def __reduce__(self):
        return type(self), (self.path, self.reason, self.detail)


def check_file(path: str) -> None:
    """Raise :class:`VideoDecodeError` for what the file system alone can tell."""
    try:
        status = Path(path).stat()
    except PermissionError as error:
        raise VideoDecodeError(path, 'permission') from error
    except OSError as error:
        raise VideoDecodeError(path, 'missing') from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoDecodeError(path, 'not_a_file')
    if not os.access(path, os.R_OK):
        raise VideoDecodeError(path, 'permission')
    if status.st_size == 0 and stat.S_ISREG(status.st_mode):
        raise VideoDecodeError(path, 'empty')


def decode_error(path: str, message: str) -> VideoDecodeError:
    """The error for a message of decord's: a known reason, or the last line of what it said."""
    for part, reason in _MESSAGES.items():
        if part in message:
            return VideoDecodeError(path, reason)
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ['no message']
    said = re.sub(r'^\[[\d:]+\] \S+:\d+: ', '', lines[-1])  # time and place in decord's source
    return VideoDecodeError(path, 'other', said[:200])


class DecodeProcess:
    """A decoding process and the two pipes to it. Not to be shared between threads or forks."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        worker = Path(__file__).with_name('decode_worker.py')
        # -P: the folder of this file holds names that must not hide top-level modules.
        self._process = subprocess.Popen(
            [sys.executable, '-P', str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            # A signal to the terminal's or a launcher's group must not make a video seem broken.
            process_group=0,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._requests, self._answers = self._process.stdin, self._process.stdout
        with contextlib.suppress(AttributeError, OSError):  # a smaller pipe is only slower
            fcntl.fcntl(self._answers.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._buffer = bytearray()
        try:
            self._read_line(time.monotonic() + _START_LIMIT_SEC)
        except (TimeoutError, EOFError) as error:
            self._process.kill()
            said = self._process.stderr.read().decode(errors='replace').strip()
            raise RuntimeError(f'the decoding process does not start: {said}') from error
        self._process.stderr.close()

    def request(
        self, path: str, indices: Sequence[int] | None, limit_sec: float
    ) -> tuple[dict, np.ndarray | None]:
        """Open `path` (`indices` None) or read its frames, within `limit_sec` seconds.

        Raises :class:`VideoDecodeError`; after a time-out or a crash this object is closed.
        """
        message = {
            'path': path,
            'indices': None if indices is None else [int(index) for index in indices],
            'limit_sec': limit_sec,
        }
        deadline = time.monotonic() + limit_sec
        try:
            self._requests.write(json.dumps(message).encode() + b'\n')
            header = json.loads(self._read_line(deadline))
            if 'error' in header:
                raise decode_error(path, header['error'])
            frames = None
            if indices is not None:
                body = self._read_bytes(int(np.prod(header['shape'])), deadline)
                frames = np.frombuffer(body, np.uint8).reshape(header['shape'])
            return header, frames
        except TimeoutError as error:
            self.close()
            raise VideoDecodeError(path, 'timeout', f'longer than {limit_sec:g} s') from error
        except (EOFError, BrokenPipeError) as error:
            code = self._process.wait()
            self.close()
            name = signal.Signals(-code).name if code < 0 else f'exit status {code}'
            raise VideoDecodeError(path, 'crash', name) from error

    @property
    def usable(self) -> bool:
        """Whether this process (not a fork of it) may send another request."""
        return self.owner == os.getpid() and self._process.returncode is None

    def close(self) -> None:
        """Kill the process; without effect in a fork of its owner."""
        if self.owner != os.getpid():
            return
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._answers.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the interpreter's end parts of it may be gone
            self.close()

    def _fill(self, deadline: float, into: memoryview | None = None) -> int:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._answers], [], [], left)[0]:
            raise TimeoutError
        if into is not None:
            count = os.readv(self._answers.fileno(), [into])
        else:
            block = os.read(self._answers.fileno(), _PIPE_BYTES)
            self._buffer += block
            count = len(block)
        if count == 0:
            raise EOFError
        return count

    def _read_line(self, deadline: float) -> bytes:
        while b'\n' not in self._buffer:
            self._fill(deadline)
        line, _, rest = self._buffer.partition(b'\n')
        self._buffer = bytearray(rest)
        return bytes(line)

    def _read_bytes(self, size: int, deadline: float) -> bytearray:
        body = bytearray(size)
        have = len(self._buffer)
        body[:have] = self._buffer
        self._buffer = bytearray()
        view = memoryview(body)
        while have < size:
            have += self._fill(deadline, view[have:])
        return body


_local = threading.local()


def current_process() -> DecodeProcess:
    """This thread's decoding process, started if there is none."""
    process = getattr(_local, 'process', None)
    if process is None or not process.usable:
        process = _local.process = DecodeProcess()
    return process


def close_process() -> None:
    """End this thread's decoding process, if there is one; the next read starts another."""
    process = getattr(_local, 'process', None)
    if process is not None:
        process.close()
        _local.process = None
