"""Small generated video files for tests: sound ones, and every kind of broken one we know of."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def moving_square(
    num_frames: int = 24, width: int = 64, height: int = 48, seed: int = 0
) -> np.ndarray:
    """Frames (T, H, W, 3), uint8 RGB: a square crossing a mottled ground, so no two are equal."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 120, (4, 4, 3), dtype=np.uint8)
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    side = max(4, min(width, height) // 4)
    frames = np.repeat(ground[None], num_frames, axis=0)
    for index in range(num_frames):
        left = (index * 3) % max(1, width - side)
        frames[index, height // 3 : height // 3 + side, left : left + side] = (250, 60, 30)
    return frames


def write_mp4(path: Path, num_frames: int = 24, width: int = 64, height: int = 48, seed: int = 0):
    """An MPEG-4 file at 10 frames per second through OpenCV, as users without PyAV would write."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (width, height))
    if not writer.isOpened():
        raise RuntimeError(f'OpenCV cannot write {path}')
    for frame in moving_square(num_frames, width, height, seed):
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def write_av(
    path: Path,
    num_frames: int = 24,
    width: int = 64,
    height: int = 48,
    codec: str = 'libx264',
    container: str | None = None,
    timestamps: list[int] | None = None,
) -> Path:
    """A file through PyAV: any codec and container, frame times (in 1/100 s) at will."""
    with av.open(str(path), 'w', format=container) as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height = width, height
        stream.pix_fmt = 'yuv420p'
        stream.gop_size = 6
        if timestamps is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
        for index, image in enumerate(moving_square(num_frames, width, height)):
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            if timestamps is not None:
                frame.pts, frame.time_base = timestamps[index], Fraction(1, 100)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def write_audio(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound and no picture."""
    rate = 16000
    tone = (8000 * np.sin(np.arange(int(rate * seconds)) * 0.17)).astype(np.int16)[None]
    with av.open(str(path), 'w') as out:
        stream = out.add_stream('aac', rate=rate, layout='mono')
        frame = av.AudioFrame.from_ndarray(tone, format='s16', layout='mono')
        frame.sample_rate = rate
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def rotate_metadata(path: Path) -> Path:
    """Set the display matrix of an MP4 to a quarter turn, as telephones do."""
    data = bytearray(path.read_bytes())
    header = data.index(b'tkhd')
    version = data[header + 4]
    matrix = header + 4 + 4 + (32 if version == 1 else 20) + 16
    quarter = [0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000]
    for position, value in enumerate(quarter):
        start = matrix + 4 * position
        data[start : start + 4] = value.to_bytes(4, 'big', signed=True)
    path.write_bytes(data)
    return path


def truncate(source: Path, path: Path, fraction: float) -> Path:
    """The first `fraction` of a file's bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path


def _cut(make: Callable[[Path], Path], fraction: float) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        whole = make(path.with_name('whole_' + path.name))
        truncate(whole, path, fraction)
        whole.unlink()
        return path

    return write


def _text(path: Path) -> Path:
    path.write_text('this is not a video\n' * 50)
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b'')
    return path


def _no_permission(path: Path) -> Path:
    write_mp4(path)
    path.chmod(0)
    return path


def _variable_rate(path: Path) -> Path:
    steps = np.cumsum([5, 5, 40, 5, 80, 5] * 4)
    return write_av(path, num_frames=24, timestamps=[int(step) for step in steps])


def _damaged(path: Path) -> Path:
    """Noise over the middle half of the stream: the container reads, the frames do not."""
    write_av(path, num_frames=48)
    data = bytearray(path.read_bytes())
    start = data.index(b'mdat') + 8
    noise = np.random.default_rng(0).integers(0, 256, len(data) // 2, dtype=np.uint8).tobytes()
    data[start + 600 : start + 600 + len(noise) // 2] = noise[: len(noise) // 2]
    path.write_bytes(data)
    return path


def _claim_more_frames(path: Path) -> Path:
    """The index has 100 times the entries that it holds."""
    write_av(path)
    data = bytearray(path.read_bytes())
    count = data.index(b'stsz') + 12
    data[count : count + 4] = (24 * 100).to_bytes(4, 'big')
    path.write_bytes(data)
    return path


def _claim_more_time(path: Path) -> Path:
    """Every header says 1,000 times the length."""
    write_av(path)
    data = bytearray(path.read_bytes())
    for name, offset in ((b'mvhd', 20), (b'mdhd', 20), (b'tkhd', 24)):
        start = data.index(name) + offset
        length = int.from_bytes(data[start : start + 4], 'big')
        data[start : start + 4] = min(1000 * length, 2**31 - 1).to_bytes(4, 'big')
    path.write_bytes(data)
    return path


def _wrong_extension(path: Path) -> Path:
    return write_av(path, container='matroska')


def _faststart(path: Path) -> Path:
    with_index = path.with_name('late_' + path.name)
    write_av(with_index)
    options = {'movflags': 'faststart'}
    with av.open(str(with_index)) as source, av.open(str(path), 'w', options=options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    with_index.unlink()
    return path


def _as(codec: str) -> Callable[[Path], Path]:
    return lambda path: write_av(path, num_frames=48, width=160, height=120, codec=codec)


# name of the kind -> (file name, writer)
ODD_FILES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    'empty': ('empty.mp4', _empty),
    'text': ('text.mp4', _text),
    'truncated 10%': ('cut10.mp4', _cut(write_mp4, 0.1)),
    'truncated 50%': ('cut50.mp4', _cut(write_mp4, 0.5)),
    'truncated 90%': ('cut90.mp4', _cut(write_mp4, 0.9)),
    'truncated 50%, index first': ('fast50.mp4', _cut(_faststart, 0.5)),
    'truncated 90%, index first': ('fast90.mp4', _cut(_faststart, 0.9)),
    'truncated 50%, avi': ('cut50.avi', _cut(_as('mpeg4'), 0.5)),
    'truncated 50%, webm': ('cut50.webm', _cut(_as('libvpx-vp9'), 0.5)),
    'truncated 10%, ts': ('cut10.ts', _cut(_as('libx264'), 0.1)),
    'truncated 50%, ts': ('cut50.ts', _cut(_as('libx264'), 0.5)),
    'truncated 90%, ts': ('cut90.ts', _cut(_as('libx264'), 0.9)),
    'damaged stream': ('damaged.mp4', _damaged),
    'header claims more frames': ('frames.mp4', _claim_more_frames),
    'header claims more time': ('time.mp4', _claim_more_time),
    'audio only': ('audio.mp4', write_audio),
    'one frame': ('one.mp4', lambda path: write_mp4(path, num_frames=1)),
    'fewer frames than asked': ('three.mp4', lambda path: write_mp4(path, num_frames=3)),
    'odd size': ('odd.avi', lambda path: write_av(path, width=63, height=47, codec='ffv1')),
    'tiny': ('tiny.mp4', lambda path: write_mp4(path, width=16, height=16)),
    '4K': ('uhd.mp4', lambda path: write_mp4(path, num_frames=9, width=3840, height=2160)),
    'rotated': ('rotated.mp4', lambda path: rotate_metadata(write_av(path))),
    'variable frame rate': ('variable.mp4', _variable_rate),
    'wrong extension': ('matroska.mp4', _wrong_extension),
    'no permission': ('secret.mp4', _no_permission),
}
