"""Throughput of the training input beside the decoder alone reading the same frames."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import decord
import numpy as np

from projects.msta import register  # noqa: F401
from projects.msta.datasets.decoding import close_process, current_process
from projects.msta.datasets.readers import IsolatedReader
from projects.msta.datasets.shapes.folder import write_video
from projects.msta.datasets.tables import Tables
from projects.msta.datasets.video_file import VideoFile
from projects.msta.evaluation.timing import relative
from projects.msta.paths import ROOT
from projects.msta.training.config import read_config

_FRAMES, _WIDTH, _HEIGHT = 250, 340, 256  # 10 s, as Kinetics videos are kept
ALONE = 'the decoder alone (PyAV, one thread)'
# Of a loader, with the batches that each holds ready.
WORKERS = ((1, 2), (2, 2), (2, 4), (4, 2), (8, 2))


def texture_frames(seed: int) -> np.ndarray:
    """Moving texture, 10 s of 340x256: (250, 256, 340, 3), uint8 RGB."""
    texture = np.random.default_rng(seed).integers(0, 256, (64, 85, 3), dtype=np.uint8)
    frame = cv2.resize(texture, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.stack([np.roll(frame, (shift, 2 * shift), axis=(0, 1)) for shift in range(_FRAMES)])


def write_texture(path: Path, seed: int) -> None:
    """An MPEG-4 video of moving texture, with a key frame every 12 frames."""
    write_video(path, texture_frames(seed), fps=25.0)


def make_loader(folder: str, videos: int, times: int) -> tuple[list[Path], Any]:
    """Videos, and the real-size config's training loader over each of them ``times`` times."""
    paths = [Path(folder, f'{number}.mp4') for number in range(videos)]
    for number, path in enumerate(paths):
        write_texture(path, number)
    annotations = Path(folder, 'list.txt')
    annotations.write_text(''.join(f'{path.name} 0\n' for path in paths * times))
    loader: Any = read_config(ROOT / 'configs' / 'msta_vitb16_k400.py').train_dataloader
    loader.dataset.ann_file, loader.dataset.data_prefix = str(annotations), {'video': folder}
    return paths, loader


def _cpu_seconds() -> float:
    decoder = Path(f'/proc/{current_process().pid}/schedstat').read_text()  # Linux
    return time.process_time() + int(decoder.split()[0]) / 1e9


def measure(rounds: int, videos: int = 4) -> dict[str, dict[str, float]]:
    """CPU milliseconds per clip of 8 frames, and ratios to the decoder alone on the same frames.

    CPU time of this process and of its decoding process: other work on the machine is not counted.
    """
    from mmaction.registry import DATASETS
    from mmaction.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    with tempfile.TemporaryDirectory() as folder:
        paths, loader = make_loader(folder, videos, times=1)
        dataset = DATASETS.build(loader.dataset)
        indices = [int((i + 0.5) * _FRAMES / 8) for i in range(8)]
        tables = Tables()

        def alone(tables: Tables) -> None:
            for path in paths:
                video = VideoFile(str(path), tables)
                np.stack(list(video.read(indices)))
                video.close()

        def isolated() -> None:
            for path in paths:
                IsolatedReader(str(path)).get_batch(indices)

        def touched(once: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:  # a file of another time is another file
                for path in paths:
                    path.touch()
                once()

            return run

        def bare_decord() -> None:
            for path in paths:
                decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()

        def whole() -> None:
            for index in range(len(dataset)):
                dataset[index]

        # What knows the files comes before what makes them new.
        sides = {
            ALONE: lambda: alone(tables),
            'in a process of its own': isolated,
            'the whole training pipeline': whole,
            'the decoder alone, first reading': lambda: alone(Tables()),
            'bare decord, whose frames may be others': bare_decord,
            'in a process of its own, first reading': touched(isolated),
        }
        times: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds + 1):
            alone(tables)  # after the files were touched
            isolated()
            for side, once in sides.items():
                before = _cpu_seconds()
                once()
                if number:
                    times[side].append(_cpu_seconds() - before)
        close_process()
    ratios = relative(times, ALONE)
    return {
        side: {'CPU ms': 1000 * statistics.median(values) / videos, 'ratio': ratios[side]}
        for side, values in times.items()
    }


def measure_workers(
    rounds: int, clips: int = 96, settings: Sequence[tuple[int, int]] = WORKERS
) -> dict[str, dict[str, float]]:
    """Clips a second of a training loader by (workers, prefetch factor), and ratios to the first.

    Wall time from the first batch on, when the workers have started, nothing else running.
    """
    from mmaction.utils import register_all_modules
    from mmengine.runner import Runner

    register_all_modules(init_default_scope=True)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        _, cfg = make_loader(folder, 4, times=clips // 4)
        cfg.batch_size, cfg.persistent_workers = 4, False
        for _ in range(rounds):
            for workers, prefetch in settings:
                cfg.num_workers, cfg.prefetch_factor = workers, prefetch
                batches = iter(Runner.build_dataloader(cfg, seed=0))
                next(batches)
                started = time.perf_counter()
                read = 4 * sum(1 for _ in batches)
                rate = read / (time.perf_counter() - started)
                name = f'{workers} worker{"s" * (workers > 1)}, prefetch {prefetch}'
                rates.setdefault(name, []).append(rate)
    ratios = relative(rates, next(iter(rates)))
    return {
        side: {'clips/s': statistics.median(values), 'ratio': ratios[side]}
        for side, values in rates.items()
    }


def table(
    rows: dict[str, dict[str, float]],
    title: str = 'input of a clip, 8 of 250 frames of 340x256',
) -> str:
    """Return the rows as a Markdown table."""
    unit = next(iter(next(iter(rows.values()))))
    lines = [f'| {title} | {unit} | ratio |', '|---|---|---|']
    lines += [f'| {name} | {row[unit]:.3g} | {row["ratio"]:.2f} |' for name, row in rows.items()]
    return '\n'.join(lines)
