"""Video decoding that a broken file cannot hang, crash, or fill the terminal with bytes.

The decoder runs in a process of its own, one for each DataLoader worker (or thread), which is
killed and replaced when it is late. Pictures come back through shared memory.
"""

import contextlib
import json
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..paths import ROOT
from .shared_memory import SharedBlock

REASONS = {
    'missing': 'file not found',
    'empty': 'empty file (0 bytes)',
    'permission': 'no permission to read',
    'not_a_file': 'a folder without images, not a file',
    'unreadable': 'not a video, or cut off before its index',
    'no_video': 'no video stream that can be decoded (audio only, or an unknown codec)',
    'no_frames': 'no frames',
    'damaged': 'damaged or truncated stream',
    'timeout': 'decoding hung',
    'crash': 'the decoder crashed',
    'skipped': 'in the skip list',
    'other': 'decoding failed',
}
DECODERS = ('pyav', 'decord')

_START_LIMIT_SEC = 120.0


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
    except (OSError, ValueError) as error:
        raise VideoDecodeError(path, 'missing') from error
    if not os.access(path, os.R_OK):
        raise VideoDecodeError(path, 'permission')
    if status.st_size == 0 and stat.S_ISREG(status.st_mode):
        raise VideoDecodeError(path, 'empty')


class DecodeProcess:
    """A decoding process. Not to be shared between threads or forks."""

    def __init__(self, first: str = '') -> None:
        """``first`` is Python that the process runs before it reads (for tests)."""
        self.owner = os.getpid()
        descriptor = os.memfd_create('msta-pictures')
        self._block = SharedBlock(descriptor)
        # -P: what lies in the working directory must not hide modules.
        start = (
            f'import sys; sys.path.append({str(ROOT)!r})\n{first}\n'
            'from projects.msta.datasets.decode_worker import main; main()'
        )
        self._process = subprocess.Popen(
            [sys.executable, '-P', '-c', start, str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=(descriptor,),
            # A signal to the terminal's or a launcher's group must not make a video seem broken.
            process_group=0,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._buffer = bytearray()
        try:
            self._read_line(time.monotonic() + _START_LIMIT_SEC)
        except (TimeoutError, EOFError) as error:
            self._process.kill()
            said = self._process.stderr.read().decode(errors='replace').strip()
            raise RuntimeError(f'the decoding process does not start: {said}') from error
        self._process.stderr.close()

    def request(
        self,
        op: str,
        path: str,
        limit_sec: float,
        indices: Sequence[int] = (),
        *,
        decoder: str = 'pyav',
        threads: int = 1,
        whole: bool = False,
        patient: bool = False,
        keep: bool = False,
    ) -> tuple[dict[str, Any], np.ndarray | None]:
        """Open a video, or get the times of its pictures (N,), or pictures (N, H, W, 3).

        Args:
            op: 'open', 'times' or 'read'.
            path: the video.
            limit_sec: how long this may take; if ``patient``, without any progress.
            indices: pictures to read.
            decoder: one of :data:`DECODERS`.
            threads: of the decoder; 0 for its own choice.
            whole: whether to decode everything before the number of pictures is believed.
            patient: whether to go on while the decoder gets on.
            keep: whether later pictures of the same file will be asked for.

        Raises:
            VideoDecodeError: after a time-out or a crash this object is closed.
        """
        message = dict(
            op=op,
            path=path,
            limit_sec=limit_sec,
            indices=[int(index) for index in indices],
            decoder=decoder,
            threads=threads,
            whole=whole,
            patient=patient,
            keep=keep,
        )
        try:
            self._requests.write(json.dumps(message).encode() + b'\n')
            header: dict[str, Any] = {'alive': True}
            while 'alive' in header:
                header = json.loads(self._read_line(time.monotonic() + limit_sec))
        except TimeoutError as error:
            self.close()
            raise VideoDecodeError(path, 'timeout', f'longer than {limit_sec:g} s') from error
        except (EOFError, BrokenPipeError) as error:
            code = self._process.wait()
            self.close()
            name = signal.Signals(-code).name if code < 0 else f'exit status {code}'
            raise VideoDecodeError(path, 'crash', name) from error
        if 'error' in header:
            raise VideoDecodeError(path, header['error'], header['detail'])
        if 'shape' not in header:
            return header, None
        found = self._block.array(header['shape'], header['dtype']).copy()
        self._block.shrink()
        return header, found

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether this process (not a fork of it) may send another request."""
        return self.owner == os.getpid() and self._process.returncode is None

    def close(self) -> None:
        """Kill the process; without effect in a fork of its owner."""
        if self.owner != os.getpid() or self._requests.closed:
            return
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._answers.close()
        self._block.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the interpreter's end parts of it may be gone
            self.close()

    def _read_line(self, deadline: float) -> bytes:
        while b'\n' not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise TimeoutError
            found = os.read(self._answers.fileno(), 1 << 16)
            if not found:
                raise EOFError
            self._buffer += found
        line, _, rest = self._buffer.partition(b'\n')
        self._buffer = bytearray(rest)
        return bytes(line)


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
