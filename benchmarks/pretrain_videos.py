"""The videos that the tiny ViCLIP is pre-trained on, and the settings of that training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks import tiny_arch
from projects.msta.datasets.shapes.classes import MOTIONS, Action, all_actions
from projects.msta.datasets.shapes.folder import drawing_processes
from projects.msta.datasets.shapes.render import draw_scene
from projects.msta.datasets.shapes.scenes import DOMAINS, Scene, sample_scene

_RENDER_SIDE = 64
_CHUNK = 250


@dataclass(frozen=True)
class Pretraining:
    """Everything that decides the result.

    Attributes:
        seed: Of data, initial weights and order.
        num_videos: Rendered once, then seen again and again with new captions.
        steps: Optimizer steps.
        batch_size: Videos a step.
        extra_captions: Plain captions of other actions that each step adds as negatives.
        rich: Share of captions with adjectives.
        lr: Of AdamW (embeddings, norms, biases, projections).
        muon_lr: Of Muon (the weight matrices inside the blocks).
        weight_decay: Of AdamW, for matrices.
        warmup_steps: Of linear warm-up.
        decay_share: Last share of the steps, over which the rates fall linearly to 2%.
        arch: The model's architecture.
    """

    seed: int = 0
    num_videos: int = 20_000
    steps: int = 3600
    batch_size: int = 64
    extra_captions: int = 96
    rich: float = 0.4
    lr: float = 2e-3
    muon_lr: float = 0.02
    weight_decay: float = 0.05
    warmup_steps: int = 60
    decay_share: float = 0.5
    arch: dict[str, Any] = field(default_factory=tiny_arch)

    def rate(self, step: int) -> float:
        """Factor on both learning rates at a step, counted from 0."""
        left = (self.steps - step) / max(1, self.steps)
        return min(1, (step + 1) / self.warmup_steps) * max(0.02, min(1, left / self.decay_share))


def _times(num_frames: int, rng: np.random.Generator | None) -> np.ndarray:
    """Moments of one frame a segment: random within it as in training, or its middle."""
    offset = rng.uniform(0, 1, num_frames) if rng is not None else np.full(num_frames, 0.5)
    return (np.arange(num_frames) + offset) / num_frames


def render_clip(
    action: Action, domain: str, settings: Pretraining, rng: np.random.Generator, jitter: bool
) -> tuple[np.ndarray, Scene]:
    """Frames (T, S, S, 3) as the model sees them: drawn like the videos, then scaled down."""
    times = _times(settings.arch['num_frames'], rng if jitter else None)
    scene = sample_scene(action, DOMAINS[domain], times, rng)
    frames = draw_scene(scene, DOMAINS[domain], _RENDER_SIDE, rng)
    side = settings.arch['image_size']
    return np.stack([cv2.resize(frame, (side, side)) for frame in frames]), scene


def _render_chunk(job: tuple[Pretraining, int]) -> tuple[np.ndarray, list[Scene]]:
    settings, number = job
    rng = np.random.default_rng([settings.seed, number])
    by_motion = {key: [a for a in all_actions() if a.motion == key] for key in MOTIONS}
    clips = []
    for _ in range(min(_CHUNK, settings.num_videos - number * _CHUNK)):
        choices = by_motion[list(MOTIONS)[rng.integers(len(MOTIONS))]]
        action = choices[rng.integers(len(choices))]
        clips.append(render_clip(action, 'plain', settings, rng, jitter=True))
    for _, scene in clips:
        scene.tracks.clear()
    return np.stack([frames for frames, _ in clips]), [scene for _, scene in clips]


def render_pool(
    settings: Pretraining, workers: int = 2, progress: Callable[[int], None] | None = None
) -> tuple[Tensor, list[Scene]]:
    """The training videos: uint8 (N, T, S, S, 3) and what each shows; every motion as often."""
    jobs = [(settings, number) for number in range(math.ceil(settings.num_videos / _CHUNK))]
    videos: list[np.ndarray] = []
    scenes: list[Scene] = []
    with drawing_processes(max(1, workers)) as pool:
        for frames, shown in pool.map(_render_chunk, jobs):
            videos.append(frames)
            scenes.extend(shown)
            if progress:
                progress(len(shown))
    return torch.from_numpy(np.concatenate(videos)), scenes
