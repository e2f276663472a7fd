"""Throughput of the training input beside bare decord reading the same frames."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import decord
import numpy as np
import torch

from projects.msta import register  # noqa: F401
from projects.msta.datasets.decoding import close_process, current_process
from projects.msta.datasets.shapes.folder import write_video
from projects.msta.evaluation.timing import relative, take_turns
from projects.msta.paths import ROOT
from projects.msta.training.config import read_config

_FRAMES, _WIDTH, _HEIGHT = 250, 340, 256  # 10 s, as Kinetics videos are kept
_CPU = torch.device('cpu')
# Of a loader, with the batches that each holds ready.
WORKERS = ((1, 2), (2, 2), (2, 4), (4, 2), (8, 2))


def write_texture(path: Path, seed: int) -> None:
    """An MPEG-4 video of moving texture, 10 s of 340x256."""
    texture = np.random.default_rng(seed).integers(0, 256, (64, 85, 3), dtype=np.uint8)
    frame = cv2.resize(texture, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    frames = [np.roll(frame, (shift, 2 * shift), axis=(0, 1)) for shift in range(_FRAMES)]
    write_video(path, np.stack(frames), fps=25.0)


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


def measure(rounds: int, videos: int = 4) -> dict[str, dict[str, float]]:
    """Milliseconds a clip of 8 frames, and ratios to bare decord with one thread."""
    from mmaction.registry import DATASETS
    from mmaction.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    with tempfile.TemporaryDirectory() as folder:
        paths, loader = make_loader(folder, videos, times=1)
        dataset = DATASETS.build(loader.dataset)
        indices = [int((i + 0.5) * _FRAMES / 8) for i in range(8)]

        def bare(threads: int) -> None:
            for path in paths:
                decord.VideoReader(str(path), num_threads=threads).get_batch(indices).asnumpy()

        def isolated() -> None:
            for path in paths:
                current_process().request(str(path), None, 60.0)
                current_process().request(str(path), indices, 60.0)

        def whole() -> None:
            for index in range(len(dataset)):
                dataset[index]

        sides = {
            'bare decord, 1 thread': lambda: bare(1),
            'bare decord, 2 threads': lambda: bare(2),
            'bare decord, its own choice of threads': lambda: bare(0),
            'in a process of its own (ours)': isolated,
            'the whole training pipeline': whole,
        }
        for once in sides.values():
            once()
        times = take_turns(sides, rounds, _CPU)
        close_process()
    ratios = relative(times, 'bare decord, 1 thread')
    return {
        side: {'ms': 1000 * statistics.median(values) / videos, 'ratio': ratios[side]}
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
    """The rows as a Markdown table."""
    unit = next(iter(next(iter(rows.values()))))
    lines = [f'| {title} | {unit} | ratio |', '|---|---|---|']
    lines += [f'| {name} | {row[unit]:.3g} | {row["ratio"]:.2f} |' for name, row in rows.items()]
    return '\n'.join(lines)
