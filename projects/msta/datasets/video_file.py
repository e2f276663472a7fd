"""A video file through PyAV (FFmpeg): what there is to show, and pictures by index, exactly.

Runs in the decoding process (:mod:`.decode_worker`). Picture i is the i-th of a decode in order.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import av
import av.logging
import numpy as np
from av.video.reformatter import VideoReformatter

from .orientation import Turn, turn, turned_by
from .packets import Key, PacketScan
from .tables import Table, Tables, UnreadableError, times_of

# Up to here a file is decoded whole when it is first opened, which proves its index; beyond, a
# sound index is believed, and checked against the pictures that are read.
WHOLE_PIXELS = 1_000_000_000
# Decoded pictures kept between counting them and reading some; what is larger is decoded twice.
KEEP_BYTES = 256 << 20
# A file of which less than this share can be decoded without an error is not read.
_LEAST_INTACT = 0.5
# Demuxers that open other files or addresses, or draw text: no video files.
_NOT_VIDEOS = frozenset(['concat', 'dash', 'hls', 'imf', 'rtsp', 'sdp', 'tty'])


class VideoFile:
    """An open video, its :attr:`table`, and its pictures.

    Args:
        path: the file; any name that the system takes.
        tables: remembers what opening files before has told.
        threads: of the decoder; 0 for its own choice. They change nothing in the pictures.
        whole: decode everything before the table is believed, however long it takes.
        beat: called again and again while a long decode goes on.
    """

    def __init__(
        self,
        path: str,
        tables: Tables,
        threads: int = 1,
        whole: bool = False,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._path, self._tables, self._threads, self._beat = path, tables, threads, beat
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._kept: list[av.VideoFrame] = []
        self._open()
        # The current decode, and the last picture that came of it.
        self._running: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._index = -1
        self._frame: av.VideoFrame | None = None
        self.lost = 0  # pictures asked for that the index names and the decoder did not give
        table = tables.get(path)
        if table is None or (whole and not table.proven):
            try:
                table = (None if whole else self._believe()) or self._prove()
            except BaseException:
                self.close()
                raise
            tables.put(path, table)
        self.table: Table = table
        self._by_time = table.pts is not None

    def close(self) -> None:
        self._running, self._frame, self._kept = iter(()), None, []
        self._container.close()

    def read(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """Pictures (H, W, 3), uint8 RGB, by ascending indices, turned as the file says."""
        for index in indices:
            yield self._to_rgb(self._kept[index] if self._kept else self._picture(index))

    # ------------------------------------------------------------------ opening

    def _open(self) -> None:
        try:
            # The prefix: a colon in a name is not a protocol.
            container = av.open(f'file:{self._path}', metadata_errors='replace')
        except (av.error.FFmpegError, ValueError) as error:
            raise UnreadableError('unreadable') from error
        try:
            if _NOT_VIDEOS & set(container.format.name.split(',')):
                raise UnreadableError('unreadable', f'{container.format.name} is not a video file')
            videos = list(container.streams.video)
            if not videos:
                raise UnreadableError('no_video')
            pictures = [s for s in videos if not s.disposition & s.disposition.attached_pic]
            stream = (pictures or videos)[0]
            if stream.codec_context is None:
                raise UnreadableError('no_video')
            stream.codec_context.thread_count = self._threads
            stream.thread_type = 'NONE' if self._threads == 1 else 'AUTO'
        except BaseException:
            container.close()
            raise
        self._container, self._stream = container, stream
        context = stream.codec_context
        kind = (container.format.name, context.codec.canonical_name, context.pix_fmt or '')
        # A recording that was never finished does not say how long it is.
        self.kind: tuple[str, ...] = kind if container.duration else ()

    def _reopen(self) -> None:
        self._container.close()
        self._open()

    def _believe(self) -> Table | None:
        """The table of a long file, by its packets, if they are sound."""
        context, stream = self._stream.codec_context, self._stream
        frames = stream.frames
        if not frames and self._container.duration and stream.average_rate:
            frames = int(self._container.duration / av.time_base * stream.average_rate)
        if frames * context.width * context.height <= WHOLE_PIXELS:
            return None
        scan = PacketScan(self._container, stream)
        for packet in self._container.demux(stream):
            if packet.size:
                scan.add(packet)
        self._reopen()
        pts = scan.pts
        if pts is None:
            return None
        # Of the new one: the closed container's stream reads memory that is freed.
        times = times_of(pts, self._stream.time_base, self._stream.average_rate)
        return Table(times, pts, scan.keys, 0, len(pts), False)

    def _prove(self) -> Table:
        """The table by a decode of everything; the pictures are kept if they are not too large."""
        scan = PacketScan(self._container, self._stream)
        stamps: list[int | None] = []
        size = 0
        decoder = _Decoder(self._container.demux(self._stream), scan)
        for frame in decoder:
            stamps.append(frame.pts)
            if size <= KEEP_BYTES:
                size += sum(plane.buffer_size for plane in frame.planes)
                self._kept.append(frame)
                if size > KEEP_BYTES:
                    self._kept.clear()
            self._beat()
        if not stamps:
            raise UnreadableError('damaged' if scan.count else 'no_frames')
        times = times_of(stamps, self._stream.time_base, self._stream.average_rate)
        pts = scan.pts
        proven = not decoder.damaged and pts == stamps
        if not self._kept:
            self._reopen()
        # What the file's index names and its data lacks was cut off.
        missing = max(0, self._stream.frames - scan.count)
        damaged, total = decoder.damaged + missing, scan.count + missing
        # A stream may begin anywhere: what precedes its first key frame does not count here.
        if total - damaged < _LEAST_INTACT * (total - decoder.before):
            raise UnreadableError('damaged', f'{total - damaged} of {total} pictures are intact')
        keys = scan.keys if proven else ()
        return Table(times, pts if proven else None, keys, damaged, total, True)

    # ------------------------------------------------------------------ reading

    def _picture(self, index: int) -> av.VideoFrame:
        """The picture at an index; those after the last one that was read come fastest."""
        while True:
            if index != self._index:
                self._seek(index)
            previous = self._frame
            while self._index < index:
                found = next(self._running, None)
                if found is None:
                    break
                previous, (self._index, self._frame) = self._frame, found
                self._beat()
            if self._index == index and self._frame is not None:
                return self._frame
            if self.table.proven and self._by_time:
                # The same file decodes differently from a key frame: count from the start.
                self._by_time = False
                self._start(None)
                continue
            shown = previous or self._frame
            if shown is None:
                raise UnreadableError('damaged')
            self.lost += 1
            return shown

    def _seek(self, index: int) -> None:
        """Make the current decode one that reaches the picture at ``index``."""
        going = self._frame is not None and self._index < index
        if not self._by_time:
            if not going:
                self._start(None)
            return
        keys = self.table.keys
        key = keys[bisect_right(keys, index, key=lambda k: k.place) - 1]
        if not going or key.place > self._index + 1:
            self._start(key)

    def _start(self, key: Key | None) -> None:
        """Begin a decode at a key frame; None: at the start of the file."""
        self._running = iter(())
        self._frame, self._index = None, -1
        if key is None or key.place == 0:
            self._reopen()
            self._running = self._numbered(self._container.demux(self._stream))
            return
        try:
            self._container.seek(key.seek, stream=self._stream)
        except av.error.FFmpegError:
            self._start(None)
            return
        packets = self._container.demux(self._stream)
        for packet in packets:
            if packet.pts == key.pts and packet.is_keyframe:
                self._running = self._numbered(itertools.chain([packet], packets))
                return
        self._start(None)

    def _numbered(self, packets: Iterator[av.Packet]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Pictures with their indices, by time stamp or by count from the start."""
        by_time, pts = self._by_time, self.table.pts
        for count, frame in enumerate(_Decoder(packets)):
            if not by_time:
                yield count, frame
            elif pts is not None and frame.pts is not None:
                index = bisect_left(pts, frame.pts)
                if index < len(pts) and pts[index] == frame.pts:
                    yield index, frame

    def _to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        # A size that changes within the file becomes that of the first picture that was read.
        width, height = self._size = self._size or (frame.width, frame.height)
        picture = self._reformatter.reformat(frame, width, height, 'rgb24', threads=1)
        if self.table.turn is None:
            self.table = replace(self.table, turn=turned_by(frame))
            self._tables.put(self._path, self.table)
        return turn(picture.to_ndarray(), self.table.turn or Turn())


class _Decoder:
    """Pictures in order. A packet that cannot be decoded is passed over.

    ``damaged`` counts packets that the decoder reports an error for (in one thread: by exception or
    by an entry of that level in its log), and those that build on them, up to the next key frame.
    ``before`` of them come before the first key frame.

    Args:
        packets: in order of decode.
        scan: is shown each packet before it is decoded.
    """

    def __init__(self, packets: Iterator[av.Packet], scan: PacketScan | None = None) -> None:
        self._packets, self._scan = packets, scan
        self.damaged = self.before = 0

    def __iter__(self) -> Iterator[av.VideoFrame]:
        spoilt = begun = False
        while True:
            try:
                packet = next(self._packets)
            except StopIteration:
                return
            except av.error.FFmpegError:  # the rest of the file cannot be read
                self.damaged += 1
                return
            if packet.size and self._scan is not None:
                self._scan.add(packet)
            before = av.logging.get_last_error()[0]
            frames: list = []
            failed = False
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                failed = True
            failed |= av.logging.get_last_error()[0] != before or packet.is_corrupt
            spoilt = failed or (spoilt and not packet.is_keyframe)
            begun |= packet.is_keyframe
            self.damaged += spoilt and packet.size > 0
            self.before += spoilt and packet.size > 0 and not begun
            yield from frames
