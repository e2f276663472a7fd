"""Which pictures a file's packets promise, and where a decode may start: without decoding."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import av

# Containers with a time stamp for each picture, and codecs in which a packet is a picture.
_CONTAINERS = frozenset(['mov', 'matroska'])
_CODECS = frozenset(['av1', 'dnxhd', 'ffv1', 'h264', 'hevc', 'mjpeg', 'mpeg4', 'prores', 'vp9'])


class Key(NamedTuple):
    """A picture from which a decode may start: every later one in order of show is then right.

    ``place`` is its index. ``seek`` is the time stamp that its container is searched by.

    """

    place: int
    pts: int
    seek: int


class PacketScan:
    """Notes on packets in order of decode; ``add`` each, then ask for :attr:`pts`, :attr:`keys`.

    A file is sound here if every packet is a picture to show with a time stamp of its own, and the
    first is a key frame. Only the rest of the file decides whether the pictures can be decoded.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self.count = 0
        self._codec = {'libdav1d': 'av1'}.get(stream.codec_context.name, stream.codec_context.name)
        formats = set(container.format.name.split(','))
        self._sound = bool(formats & _CONTAINERS) and self._codec in _CODECS
        self._seeks_by_pts = 'matroska' in formats
        self._length_size = _length_size(self._codec, stream.codec_context.extradata)
        self._pts: list[int] = []
        self._keys: list[tuple[int, int]] = []

    def add(self, packet: av.Packet) -> None:
        self.count += 1
        if not self._sound:
            return
        pts = packet.pts
        flawed = packet.is_discard or packet.is_corrupt or not (self._pts or packet.is_keyframe)
        if pts is None or flawed:
            self._sound = False
            return
        self._pts.append(pts)
        if packet.is_keyframe and (len(self._pts) == 1 or self._restarts(packet)):
            seek = pts if self._seeks_by_pts else packet.dts
            if seek is not None:
                self._keys.append((pts, seek))

    @property
    def pts(self) -> list[int] | None:
        """Time stamps of the pictures in the order of show; None if the file is not sound."""
        ordered = sorted(self._pts)
        distinct = all(a < b for a, b in itertools.pairwise(ordered))
        return ordered if self._sound and ordered and distinct else None

    @property
    def keys(self) -> list[Key]:
        """Where a decode may start, in ascending order; empty if the file is not sound."""
        pts = self.pts
        if pts is None:
            return []
        place = {stamp: index for index, stamp in enumerate(pts)}
        return sorted(Key(place[stamp], stamp, seek) for stamp, seek in self._keys)

    def _restarts(self, packet: av.Packet) -> bool:
        """Whether nothing after this key frame needs what came before it.

        A container also marks pictures as key frames from which H.264 and HEVC only recover
        gradually. IDR pictures, and in HEVC all random access points, do restart the decoder.
        """
        if self._codec not in ('h264', 'hevc'):
            return True
        if not self._length_size:
            return False
        units = {unit for unit in _units(memoryview(packet), self._length_size)}  # noqa: C416
        if self._codec == 'h264':
            return 5 in {unit & 0x1F for unit in units}
        return any(16 <= unit >> 1 & 0x3F <= 21 for unit in units)


def _length_size(codec: str, extradata: bytes | None) -> int:
    """Bytes before each NAL unit that hold its length; 0 if they are marked by start codes."""
    if not extradata or extradata[0] != 1:
        return 0
    place = {'h264': 4, 'hevc': 21}.get(codec)
    return 0 if place is None or len(extradata) <= place else (extradata[place] & 3) + 1


def _units(data: memoryview, length_size: int) -> Iterator[int]:
    """The first byte of each NAL unit of a packet."""
    place = 0
    while place + length_size < len(data):
        length = int.from_bytes(data[place : place + length_size], 'big')
        yield data[place + length_size]
        place += length_size + length
