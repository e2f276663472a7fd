"""Throughput of the training input beside bare decord reading the same frames."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import cv2
import decord
import numpy as np
import torch

from .. import register  # noqa: F401
from ..datasets.decoding import close_process, current_process
from ..datasets.shapes import write_video
from .cli import ROOT, read_config
from .timing import relative, take_turns

_FRAMES, _WIDTH, _HEIGHT = 250, 340, 256  # 10 s, as Kinetics videos are kept
_CPU = torch.device('cpu')


def write_texture(path: Path, seed: int) -> None:
    """An MPEG-4 video of moving texture, 10 s of 340x256."""
    texture = np.random.default_rng(seed).integers(0, 256, (64, 85, 3), dtype=np.uint8)
    frame = cv2.resize(texture, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    frames = [np.roll(frame, (shift, 2 * shift), axis=(0, 1)) for shift in range(_FRAMES)]
    write_video(path, np.stack(frames), fps=25.0)


def measure(rounds: int, videos: int = 4) -> dict[str, dict[str, float]]:
    """Milliseconds a clip of 8 frames, and ratios to bare decord with one thread."""
    from mmaction.registry import DATASETS
    from mmaction.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f'{number}.mp4') for number in range(videos)]
        for number, path in enumerate(paths):
            write_texture(path, number)
        annotations = Path(folder, 'list.txt')
        annotations.write_text(''.join(f'{path.name} 0\n' for path in paths))
        cfg: Any = read_config(ROOT / 'configs' / 'msta_vitb16_k400.py').train_dataloader.dataset
        cfg.ann_file, cfg.data_prefix = str(annotations), {'video': folder}
        dataset = DATASETS.build(cfg)
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


def table(rows: dict[str, dict[str, float]]) -> str:
    """The rows as a Markdown table."""
    lines = ['| input of a clip, 8 of 250 frames of 340x256 | time | ratio |', '|---|---|---|']
    lines += [f'| {side} | {row["ms"]:.0f} ms | {row["ratio"]:.2f} |' for side, row in rows.items()]
    return '\n'.join(lines)
