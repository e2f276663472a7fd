"""Decoders side by side: exactness, broken files, time and memory.

    python -m benchmarks.decoders [--decoder NAME PYTHON ...] [--only exact|broken|time|memory]

NAME is 'ours' (the reader of this project, PyAV inside) or 'decord'. A decoder of the same import
name is compared by the Python of an environment that holds it:
``--decoder decord2 /elsewhere/bin/python``. Only NumPy and the decoder are needed there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

_LIMIT_SEC = 30.0
_READS = 3
_GREY = 4.0  # colours are converted with different rounding: mean grey levels that still are equal


_tables: list = []  # what this process knows of the files that ours has read


def _open(decoder: str, path: str) -> tuple[int, Callable[[list[int]], np.ndarray]]:
    """Number of pictures, and a function that reads some by index."""
    if decoder != 'ours':
        import decord

        reader = decord.VideoReader(path, num_threads=1)
        return len(reader), lambda indices: reader.get_batch(indices).asnumpy()
    from projects.msta.datasets.tables import Tables
    from projects.msta.datasets.video_file import VideoFile

    if not _tables:
        import av.logging

        av.logging.set_level(av.logging.ERROR)
        _tables.append(Tables())
    video = VideoFile(path, _tables[0])

    def read(indices: list[int]) -> np.ndarray:
        found = np.stack(list(video.read(sorted(indices))))
        video.close()
        return found

    return len(video.table), read


def child(decoder: str, task: str, *rest: str) -> dict:
    """In a process of its own: one file, or a series of reads."""
    if task == 'read':
        path, reference = rest
        count, read = _open(decoder, path)
        if not reference:
            return {'count': count, 'shape': read(_spread(count)).shape}
        truth = np.load(reference)
        indices = _spread(min(count, len(truth)))
        found = [read(indices)] + [_open(decoder, path)[1](indices) for _ in range(2)]
        differ = [
            float(np.abs(f.astype(int) - truth[i]).mean()) if f.shape == truth[i].shape else 255.0
            for batch in found
            for f, i in zip(batch, indices, strict=True)
        ]
        same = all(np.array_equal(found[0], other) for other in found[1:])
        return {'count': count, 'truth': len(truth), 'differ': max(differ), 'same': same}
    if task == 'time':
        path, rounds = rest[0], int(rest[1])
        seconds: dict[str, list[float]] = {'first': [], 'later': []}
        _seconds_of(decoder, path)
        for _ in range(rounds):
            _tables.clear()  # as in a process that has not seen the file
            seconds['first'].append(_seconds_of(decoder, path))
            seconds['later'].append(_seconds_of(decoder, path))
        return {name: statistics.median(values) for name, values in seconds.items()}
    paths, count = rest[:-1], int(rest[-1])
    sizes = []
    for index in range(count):
        pictures, read = _open(decoder, paths[index % len(paths)])
        read(_spread(pictures))
        if index in (count // 5, count - 1):
            pages = int(Path('/proc/self/statm').read_text().split()[1])
            sizes.append(pages * resource.getpagesize() / 2**20)
    return {'growth': sizes[1] - sizes[0], 'last': sizes[1]}


def _seconds_of(decoder: str, path: str) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    count, read = _open(decoder, path)
    read(_spread(count))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _spread(count: int) -> list[int]:
    return [int((i + 0.5) * count / 8) for i in range(8)]


def run(decoder: str, python: str, task: str, *rest: str, limit_sec: float = _LIMIT_SEC) -> dict:
    """What a child says; ``status`` is '', 'crash', 'hang', or the decoder's message."""
    command = [python, '-c', _CHILD, str(Path(__file__).resolve().parents[1]), decoder, task, *rest]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=limit_sec,
            check=False,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )
    except subprocess.TimeoutExpired:
        return {'status': 'hang'}
    if done.returncode < 0:
        return {'status': 'crash'}
    if done.returncode:
        lines = done.stderr.decode(errors='replace').strip().splitlines() or ['no message']
        return {'status': 'error: ' + lines[-1][-100:]}
    return {'status': ''} | json.loads(done.stdout.decode().splitlines()[-1])


_CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from benchmarks.decoders import child
print(json.dumps(child(*sys.argv[2:])))
"""


def exact(decoders: dict[str, str], folder: Path, videos: Path | None) -> None:
    """Pictures by index against a decode in order, three reads."""
    from tests.kinds import SOUND_FILES, decode_in_order, turned

    right: dict[str, list[str]] = {name: [] for name in decoders}
    _print_header(['kind', 'pictures', *decoders])
    for kind, (name, write) in SOUND_FILES.items():
        path = write(folder / name)
        truth = np.stack([turned(kind, picture) for picture in decode_in_order(path)])
        np.save(folder / 'truth.npy', truth)
        cells = []
        for decoder, python in decoders.items():
            found = run(decoder, python, 'read', str(path), str(folder / 'truth.npy'))
            if found['status']:
                cells.append(found['status'].split(':')[0])
            elif found['count'] != len(truth):
                cells.append(f'{found["count"]} pictures')
            elif found['differ'] > _GREY:
                cells.append(f'off by {found["differ"]:.0f}' + ', varying' * (not found['same']))
            else:
                cells.append('right' if found['same'] else 'varying')
            right[decoder] += [kind] if cells[-1] == 'right' else []
        print(f'| {kind} | {len(truth)} | ' + ' | '.join(cells) + ' |', flush=True)
    sums = [f'{len(kinds)} of {len(SOUND_FILES)}' for kinds in right.values()]
    print('| right | | ' + ' | '.join(sums) + ' |')


def _print_header(columns: list[str]) -> None:
    print('| ' + ' | '.join(columns) + ' |\n' + '|---' * len(columns) + '|')


def broken(decoders: dict[str, str], folder: Path, videos: Path | None) -> None:
    """What each decoder does with broken files, in a process that may crash or hang."""
    from tests.videos import ODD_FILES

    _print_header(['broken kind', *decoders])
    for kind, (name, write) in ODD_FILES.items():
        path = write(folder / name)
        cells = []
        for decoder, python in decoders.items():
            found = run(decoder, python, 'read', str(path), '')
            cells.append(found['status'] or f'{found["count"]} pictures')
        print(f'| {kind} | ' + ' | '.join(cells) + ' |', flush=True)


def write_clips(folder: Path, videos: Path | None) -> dict[str, Path]:
    """Clips of 10 s and one of 10 minutes; given videos beside them."""
    import av

    from benchmarks.input_speed import texture_frames
    from tests.kinds import write_frames

    frames = texture_frames(0)
    kinds = {
        'MPEG-4, AVI, GOP 12': ('mpeg4.avi', 'mpeg4', {}, 12),
        'H.264, MP4, GOP 250': ('h264.mp4', 'libx264', {}, 250),
        'HEVC, MP4': ('hevc.mp4', 'libx265', {'x265-params': 'log-level=0'}, 250),
        'VP9, WebM': ('vp9.webm', 'libvpx-vp9', {'cpu-used': '8', 'deadline': 'realtime'}, 128),
        'AV1, MP4': ('av1.mp4', 'libsvtav1', {'preset': '12'}, 160),
    }
    clips = {}
    for kind, (name, codec, options, gop) in kinds.items():
        clips[kind] = write_frames(folder / name, frames, codec, 25, gop, options)
    with (
        av.open(str(clips['H.264, MP4, GOP 250'])) as source,
        av.open(str(folder / 'long.mp4'), 'w') as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        step = packets[0].duration * len(packets)
        stamps = [(packet.pts, packet.dts) for packet in packets]
        for turn in range(60):
            for packet, (pts, dts) in zip(packets, stamps, strict=True):
                packet.stream = stream
                packet.pts, packet.dts = pts + turn * step, dts + turn * step
                packet.time_base = source.streams.video[0].time_base
                out.mux(packet)
    clips['H.264, 10 minutes'] = folder / 'long.mp4'
    for path in sorted(videos.rglob('*')) if videos else []:
        if path.is_file():
            clips[path.name] = path
    return clips


def times(decoders: dict[str, str], folder: Path, videos: Path | None) -> None:
    """CPU milliseconds for 8 pictures, at the first opening and later; ratio to the last column."""
    _print_header(['8 pictures of', *(f'{name}, first / later, ms' for name in decoders)])
    for kind, path in write_clips(folder, videos).items():
        cells = []
        for decoder, python in decoders.items():
            found = run(decoder, python, 'time', str(path), '5', limit_sec=300)
            cells.append(found['status'].split(':')[0])
            if not found['status']:
                cells[-1] = f'{1000 * found["first"]:.0f} / {1000 * found["later"]:.0f}'
        print(f'| {kind} | ' + ' | '.join(cells) + ' |', flush=True)


def memory(decoders: dict[str, str], folder: Path, videos: Path | None) -> None:
    """Resident memory over 5,000 reads of small files, from the 1,000th to the last."""
    from tests.kinds import SOUND_FILES

    names = ['H.264, GOP 12', 'MPEG-4, AVI', 'VP9', 'H.264, MPEG-TS']
    paths = [str(SOUND_FILES[name][1](folder / SOUND_FILES[name][0])) for name in names]
    for decoder, python in decoders.items():
        found = run(decoder, python, 'memory', *paths, '5000', limit_sec=600)
        grown = found['status'] or f'{found["growth"]:+.1f} MiB, {found["last"]:.0f} MiB at last'
        print(f'memory over 5,000 reads, {decoder}: {grown}', flush=True)


TABLES = {'exact': exact, 'broken': broken, 'time': times, 'memory': memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--decoder', nargs=2, action='append', default=[], metavar='NAME PYTHON')
    parser.add_argument('--only', choices=TABLES)
    parser.add_argument('--videos', type=Path, help='a folder of videos to time as well')
    args = parser.parse_args()
    decoders = {'ours': sys.executable, 'decord': sys.executable} | dict(args.decoder)
    started = time.monotonic()
    for name, table in TABLES.items():
        if args.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                table(decoders, Path(folder), args.videos)
    print(f'{time.monotonic() - started:.0f} s')


if __name__ == '__main__':
    main()
