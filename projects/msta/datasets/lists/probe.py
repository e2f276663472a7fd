"""Decode every video, in parallel, with progress; can be resumed. No torch."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from ..decoding import REASONS, VideoDecodeError
from ..readers import IsolatedReader
from .annotations import video_file
from .copies import frame_hashes


@dataclass(frozen=True, slots=True)
class Probe:
    """What a video gave: ``reason`` is '' or a key of ``decoding.REASONS``; sizes in pixels.

    ``hashes`` are those of the frames that were read, in hexadecimal; see :mod:`.copies`.
    ``damaged`` is the share of its pictures that are missing, or that came with an error of the
    decoder or after one. ``seconds`` is the length.
    """

    path: str
    reason: str = ''
    detail: str = ''
    num_frames: int = 0
    height: int = 0
    width: int = 0
    damaged: float = 0.0
    hashes: str = ''
    seconds: float = 0.0


def probe_video(root: Path, path: str, num_frames: int, limit_sec: float) -> Probe:
    """Decode everything, then read `num_frames` frames at equal distances, as a test clip would."""
    try:
        file = str(video_file(root / path))
        reader = IsolatedReader(file, limit_sec, patient=True, whole=True)
        total = len(reader)
        indices = [index * (total - 1) // max(1, num_frames - 1) for index in range(num_frames)]
        frames = reader.get_batch(indices).asnumpy()
    except VideoDecodeError as error:
        detail = REASONS[error.reason] + (f' ({error.detail})' if error.detail else '')
        return Probe(path, error.reason, detail)
    hashes = frame_hashes(frames).tobytes().hex()
    height, width = frames.shape[1:3]
    seconds = total / reader.get_avg_fps()
    return Probe(path, '', '', total, height, width, reader.damaged_share, hashes, seconds)


def probe_videos(
    root: str | Path,
    paths: Sequence[str],
    num_frames: int = 8,
    workers: int = 4,
    limit_sec: float = 60.0,
    journal: Path | None = None,
) -> list[Probe]:
    """Probe every video, in the order of `paths`.

    Args:
        root: the folder that paths are relative to.
        paths: videos; one that is listed twice is read once.
        num_frames: frames to decode of each.
        workers: decoding processes at a time.
        limit_sec: the longest that one may take without getting on.
        journal: file that keeps results as they come: after an interruption, what it holds is not
            probed again, unless size or time of the file changed. The caller removes it.
    """
    root = Path(root)
    unique = list(dict.fromkeys(paths))
    done = _read_journal(journal, root, num_frames)
    todo = [path for path in unique if path not in done]
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda path: probe_video(root, path, num_frames, limit_sec), todo)
        before = len(unique) - len(todo)
        bar = tqdm(results, 'videos', len(unique), initial=before, disable=None)
        try:
            for probe in bar:
                done[probe.path] = probe
                if journal is not None:
                    _write_journal(journal, root, num_frames, probe)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done[path] for path in paths]


def _stamp(file: Path, num_frames: int) -> list[int]:
    try:
        status = file.stat()
    except OSError:
        return [num_frames]
    return [num_frames, status.st_size, status.st_mtime_ns]


def _write_journal(journal: Path, root: Path, num_frames: int, probe: Probe) -> None:
    entry = {'stamp': _stamp(video_file(root / probe.path), num_frames), **asdict(probe)}
    with journal.open('a', encoding='utf-8') as file:
        file.write(json.dumps(entry) + '\n')


def _read_journal(journal: Path | None, root: Path, num_frames: int) -> dict[str, Probe]:
    done = {}
    if journal is not None and journal.is_file():
        for line in journal.read_text(encoding='utf-8').split('\n'):
            try:
                entry = json.loads(line)
                stamp = entry.pop('stamp')
                probe = Probe(**entry)
            except (ValueError, TypeError, KeyError):
                continue  # the line that was being written at the interruption
            if stamp == _stamp(video_file(root / probe.path), num_frames):
                done[probe.path] = probe
    return done
