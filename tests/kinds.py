"""Small sound videos: every codec, container, order and turn that FFmpeg writes here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.videos import moving_square, rotate_metadata

_FRAMES = 40


def encode(
    path: Path,
    codec: str = 'libx264',
    gop: int = 12,
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = 'yuv420p',
    container: str | None = None,
    times: Sequence[int] | None = None,
    num_frames: int = _FRAMES,
    rate: int = 10,
    flags: int = 0,
    **options: object,
) -> Path:
    """Write a moving square at ``rate`` frames per second, or at ``times`` in 1/1000 s."""
    frames = moving_square(num_frames, *size)
    return write_frames(path, frames, codec, rate, gop, options, pix_fmt, container, times, flags)


def write_frames(
    path: Path,
    frames: np.ndarray,
    codec: str,
    rate: int,
    gop: int,
    options: Mapping[str, object],
    pix_fmt: str = 'yuv420p',
    container: str | None = None,
    times: Sequence[int] | None = None,
    flags: int = 0,
) -> Path:
    """Write frames (T, H, W, 3), uint8 RGB, with the options of an encoder."""
    with av.open(str(path), 'w', format=container) as out:
        settings = {key: str(value) for key, value in options.items()}
        stream = out.add_stream(codec, rate=rate, options=settings)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.gop_size = pix_fmt, gop
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= flags
        if times is not None:
            stream.time_base = context.time_base = Fraction(1, 1000)
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def copy(
    source: Path,
    path: Path,
    first: int = 0,
    last: int | None = None,
    shift: int = 0,
    container: str | None = None,
    **options: object,
) -> Path:
    """Copy packets ``first`` to ``last`` into another file, without coding them again.

    ``shift`` is added to time stamps, in units of the source's.
    """
    settings = {key: str(value) for key, value in options.items()}
    with (
        av.open(str(source)) as given,
        av.open(str(path), 'w', format=container, options=settings) as out,
    ):
        stream = out.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.size]
        for packet in packets[first:last]:
            packet.stream = stream
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
            out.mux(packet)
    source.unlink()
    return path


def mirror_metadata(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Set a, b, c and d of an MP4's display matrix."""
    rotate_metadata(path)
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4 + 4 + 20 + 16
    for place, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[start + 4 * place : start + 4 * place + 4] = (value * 65536).to_bytes(
            4, 'big', signed=True
        )
    path.write_bytes(data)
    return path


def _via(suffix: str, gop: int = 12, **options: object) -> Callable[[Path], Path]:
    """Encode H.264 with B frames to MP4, then copy its packets as ``options`` say."""
    encoder = {key: options.pop(key) for key in ('x264-params', 'bf') if key in options}

    def write(path: Path) -> Path:
        source = encode(path.with_name(f'source_{path.stem}{suffix}'), gop=gop, **encoder)
        return copy(source, path, **options)

    return write


def _as(codec: str, **options: object) -> Callable[[Path], Path]:
    return lambda path: encode(path, codec, **options)


_INTERLACED = 1 << 29 | 1 << 18  # AV_CODEC_FLAG_INTERLACED_ME, AV_CODEC_FLAG_INTERLACED_DCT
_CLOSED = -(1 << 31)  # AV_CODEC_FLAG_CLOSED_GOP, the sign bit
_VFR = np.cumsum([33, 33, 333, 40, 900, 20] * 7)[:_FRAMES].tolist()
_X264 = {'bf': 3, 'refs': 4}

# name of the kind -> (file name, writer)
SOUND_FILES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    'H.264, GOP 1': ('gop1.mp4', _as('libx264', gop=1)),
    'H.264, GOP 12': ('gop12.mp4', _as('libx264', gop=12)),
    'H.264, GOP 250, B frames': ('gop250.mp4', _as('libx264', gop=250, **_X264)),
    'H.264, B pyramid': ('pyramid.mp4', _as('libx264', **_X264, **{'b-pyramid': 'normal'})),
    'H.264, no B frames': ('no_b.mp4', _as('libx264', bf=0)),
    'H.264, open GOP': ('open.mp4', _as('libx264', bf=3, **{'x264-params': 'open-gop=1'})),
    'H.264, open GOP, MKV': ('open.mkv', _as('libx264', bf=3, **{'x264-params': 'open-gop=1'})),
    'H.264, intra refresh': ('refresh.mp4', _as('libx264', **{'intra-refresh': 1})),
    'H.264, interlaced': ('interlaced.mp4', _as('libx264', **{'x264-params': 'tff=1'})),
    'H.264, 10 bit': ('high10.mp4', _as('libx264', pix_fmt='yuv420p10le')),
    'H.264, 4:4:4': ('full.mp4', _as('libx264', pix_fmt='yuv444p')),
    'H.264, AVI': ('h264.avi', _as('libx264', **_X264)),
    'H.264, MKV': ('h264.mkv', _as('libx264', **_X264)),
    'H.264, FLV': ('h264.flv', _as('libx264', **_X264)),
    'H.264, MPEG-TS': ('h264.ts', _as('libx264', **_X264)),
    'H.264, M2TS': ('h264.mts', _as('libx264', container='mpegts', **_X264)),
    'H.264, raw stream': ('raw.h264', _as('libx264', **_X264)),
    'H.264, fragmented': ('frag.mp4', _via('.mp4', movflags='frag_keyframe+empty_moov')),
    'HEVC': ('hevc.mp4', _as('libx265', **{'x265-params': 'log-level=0:bframes=3:pools=none'})),
    'HEVC, open GOP, MKV': (
        'hevc.mkv',
        _as('libx265', **{'x265-params': 'log-level=0:open-gop=1:keyint=12:pools=none'}),
    ),
    'HEVC, raw stream': ('raw.hevc', _as('libx265', **{'x265-params': 'log-level=0:pools=none'})),
    'AV1': ('av1.mp4', _as('libsvtav1', preset=12)),
    'AV1, MKV': ('av1.mkv', _as('libsvtav1', preset=12)),
    'VP8': ('vp8.webm', _as('libvpx', **{'auto-alt-ref': 1, 'lag-in-frames': 16, 'b': 100000})),
    'VP9': ('vp9.webm', _as('libvpx-vp9', **{'auto-alt-ref': 1, 'lag-in-frames': 16})),
    'VP9 with alpha': ('alpha.webm', _as('libvpx-vp9', pix_fmt='yuva420p', **{'auto-alt-ref': 0})),
    'VP9, IVF': ('vp9.ivf', _as('libvpx-vp9')),
    'MPEG-4, AVI': ('mpeg4.avi', _as('mpeg4')),
    'MPEG-4, B frames, AVI': ('mpeg4b.avi', _as('mpeg4', bf=2)),
    'MPEG-4, B frames, MKV': ('mpeg4b.mkv', _as('mpeg4', bf=2)),
    'MPEG-4, B frames, MP4': ('mpeg4b.mp4', _as('mpeg4', bf=2)),
    'MPEG-4, closed GOP, MP4': (
        'closed.mp4',
        _as('mpeg4', bf=2, flags=_CLOSED, sc_threshold=1000000000),
    ),
    'MPEG-4, raw stream': ('raw.m4v', _as('mpeg4', container='m4v')),
    'MPEG-1, program stream': ('mpeg1.mpg', _as('mpeg1video', bf=2, rate=25)),
    'MPEG-2, program stream': ('mpeg2.vob', _as('mpeg2video', bf=2)),
    'MPEG-2, MPEG-TS': ('mpeg2.ts', _as('mpeg2video', bf=2)),
    'MPEG-2, interlaced, MKV': ('mpeg2.mkv', _as('mpeg2video', bf=2, flags=_INTERLACED)),
    'MPEG-2, raw stream': ('raw.m2v', _as('mpeg2video', bf=2)),
    'WMV': ('wmv.wmv', _as('wmv2')),
    'MS-MPEG-4, AVI': ('divx3.avi', _as('msmpeg4')),
    'H.263, 3GP': ('h263.3gp', _as('h263', size=(176, 144))),
    'FLV1': ('flv1.flv', _as('flv')),
    'Motion JPEG, AVI': ('mjpeg.avi', _as('mjpeg', pix_fmt='yuvj420p')),
    'Motion JPEG, MOV': ('mjpeg.mov', _as('mjpeg', pix_fmt='yuvj420p')),
    'ProRes': ('prores.mov', _as('prores_ks', pix_fmt='yuv422p10le')),
    'FFV1': ('ffv1.mkv', _as('ffv1')),
    'PNG with alpha, MOV': ('png.mov', _as('png', pix_fmt='rgba')),
    'GIF': ('anim.gif', _as('gif', pix_fmt='rgb8', num_frames=16)),
    'variable rate': ('vfr.mp4', _as('libx264', times=_VFR, **_X264)),
    'variable rate, GIF': ('vfr.gif', _as('gif', pix_fmt='rgb8', times=_VFR)),
    'variable rate, MKV': ('vfr.mkv', _as('libx264', times=_VFR, **_X264)),
    'no duration': ('endless.webm', _as('libvpx-vp9', live=1)),
    'late start': ('late.mkv', _via('.mp4', bf=2, shift=50000)),
    'late start, MP4': ('late.mp4', _via('.mp4', bf=2, shift=50000)),
    'negative start': (
        'negative.mkv',
        _via('.mp4', bf=2, shift=-5120, avoid_negative_ts='disabled'),
    ),
    'cut by copy, at a key frame': ('cut.mp4', _via('.mp4', bf=2, first=12)),
    'cut by copy, between key frames': ('cut_between.mp4', _via('.mp4', bf=2, first=5)),
    'cut by copy, between key frames, MPEG-TS': ('cut_between.ts', _via('.mp4', bf=2, first=5)),
    'cut by copy, kept out of sight': ('hidden.mp4', _via('.mp4', bf=2, shift=-8192)),
    'rotated': ('rotated.mp4', lambda path: rotate_metadata(encode(path))),
    'rotated by half': ('half.mp4', lambda path: mirror_metadata(encode(path), (-1, 0, 0, -1))),
    'mirrored': ('mirrored.mp4', lambda path: mirror_metadata(encode(path), (-1, 0, 0, 1))),
    'mirrored and rotated': ('both.mp4', lambda path: mirror_metadata(encode(path), (0, 1, 1, 0))),
}


def decode_in_order(path: str | Path) -> list[np.ndarray]:
    """The reference: PyAV's decode in order, as it comes, not turned."""
    with av.open(f'file:{path}') as container:
        return [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]


# What a player does to the pictures of these kinds.
_TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'rotated': lambda picture: np.rot90(picture, -1),
    'rotated by half': lambda picture: np.rot90(picture, 2),
    'mirrored': np.fliplr,
    'mirrored and rotated': lambda picture: picture.swapaxes(0, 1),
}


def turned(kind: str, picture: np.ndarray) -> np.ndarray:
    """A picture of :func:`decode_in_order` as it is shown."""
    return _TURNS.get(kind, lambda same: same)(picture)
