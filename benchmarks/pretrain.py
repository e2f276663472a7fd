"""Contrastive pre-training of a tiny ViCLIP on the plain domain of the Shapes world."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from projects.msta.datasets.shapes.captions import (
    Caption,
    fits,
    plain_caption,
    sample_caption,
    scene_facts,
)
from projects.msta.datasets.shapes.classes import (
    ACTIONS,
    BASE_ACTIONS,
    MOTIONS,
    Action,
    all_actions,
)
from projects.msta.datasets.shapes.folder import drawing_processes
from projects.msta.datasets.shapes.render import DOMAINS, Scene, draw_scene, sample_scene
from projects.msta.foundation import VideoLanguageModel, build_foundation, tokenize

TINY_ARCH: dict[str, Any] = dict(
    image_size=36,
    patch_size=12,
    num_frames=8,
    width=128,
    layers=4,
    heads=2,
    embed_dim=64,
    context_length=48,
    text_width=48,
    text_layers=4,
    text_heads=1,
    resize='squash',
    interpolation='bilinear',
)
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
    arch: dict[str, Any] = field(default_factory=lambda: dict(TINY_ARCH))

    def rate(self, step: int) -> float:
        """Factor on both learning rates at a step, counted from 0."""
        left = (self.steps - step) / max(1, self.steps)
        return min(1, (step + 1) / self.warmup_steps) * max(0.02, min(1, left / self.decay_share))


def _times(num_frames: int, rng: np.random.Generator | None) -> np.ndarray:
    """Moments of one frame a segment: random within it as in training, or its middle."""
    offset = rng.uniform(0, 1, num_frames) if rng is not None else np.full(num_frames, 0.5)
    return (np.arange(num_frames) + offset) / num_frames


def _render_clip(
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
        clips.append(_render_clip(action, 'plain', settings, rng, jitter=True))
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


def normalise(frames: Tensor, model: VideoLanguageModel) -> Tensor:
    """uint8 (B, T, S, S, 3) -> float (B, 3, T, S, S) with the model's pixel statistics."""
    x = frames.permute(0, 4, 1, 2, 3).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1, 1) for v in (model.mean, model.std))
    return (x - mean) / std


def contrastive_loss(
    video: Tensor, text: Tensor, positive: Tensor, scale: Tensor, num_paired: int
) -> Tensor:
    """Symmetric cross-entropy where a video may have several true captions and vice versa.

    Args:
        video: (B, D), not normalised.
        text: (N, D), not normalised; the first ``num_paired`` belong to the videos.
        positive: Whether caption n is true of video b, (B, N).
        scale: Multiplier of the cosines.
        num_paired: Captions that are themselves classified; the others are negatives only.
    """
    logits = scale * F.normalize(video.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T
    target = positive.float()
    of_video = -(target / target.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1)
    paired = target[:, :num_paired]
    of_text = -(paired / paired.sum(0) * logits[:, :num_paired].log_softmax(0)).sum(0)
    return (of_video.mean() + of_text.mean()) / 2


@torch.no_grad()
def _give_places_weight(model: VideoLanguageModel) -> None:
    """Initial embeddings of place and time as strong as the patches, and of time smooth.

    ViCLIP's start (weak places, no time at all) suits a model that begins as an image model; from
    random weights it would see neither where nor when something is, and learn motion very slowly.
    """
    tower = model.visual
    nn.init.normal_(tower.positional_embedding, std=0.5)
    frames, width = tower.temporal_embedding.shape
    waves = torch.arange(1, frames)[:, None]
    cosines = torch.cos(math.pi * waves * (torch.arange(frames) + 0.5) / frames) / waves
    tower.temporal_embedding.copy_(0.7 * cosines.T @ torch.randn(frames - 1, width))


def _optimizers(
    model: VideoLanguageModel, log_scale: nn.Parameter, settings: Pretraining
) -> list[torch.optim.Optimizer]:
    inner: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    rest = [log_scale]
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and '.blocks.' in name:
            inner.append(parameter)
        else:
            (matrices if parameter.ndim > 1 else rest).append(parameter)
    groups = [
        dict(params=matrices, weight_decay=settings.weight_decay),
        dict(params=rest, weight_decay=0.0),
    ]
    return [
        torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.98)),
        torch.optim.Muon(inner, lr=settings.muon_lr, momentum=0.95, weight_decay=0.01),
    ]


def pretrain(
    settings: Pretraining,
    videos: Tensor,
    scenes: Sequence[Scene],
    progress: Callable[[int, float], None] | None = None,
) -> VideoLanguageModel:
    """Train a model from random weights; the same settings and threads give the same weights.

    Computes under bfloat16 autocast with float32 weights.

    Args:
        settings: What to do.
        videos: uint8 (N, T, S, S, 3).
        scenes: What each shows.
        progress: Called after every step with its number and loss.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, 1 << 20])
    model = build_foundation(dict(type='ViCLIP', arch=settings.arch)).train()
    _give_places_weight(model)
    model.requires_grad_(True)
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    optimizers = _optimizers(model, log_scale, settings)
    parameters = [p for o in optimizers for group in o.param_groups for p in group['params']]
    first_rates = [[group['lr'] for group in o.param_groups] for o in optimizers]
    facts = np.array([scene_facts(scene) for scene in scenes])
    bank = [plain_caption(action) for action in all_actions()]
    tokens: dict[str, Tensor] = {}

    for step in range(settings.steps):
        factor = settings.rate(step)
        for optimizer, rates in zip(optimizers, first_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group['lr'] = rate * factor
        chosen = rng.integers(0, len(scenes), settings.batch_size)
        captions = [sample_caption(scenes[i], rng, settings.rich) for i in chosen]
        extra = rng.choice(len(bank), min(settings.extra_captions, len(bank)), replace=False)
        captions += [bank[i] for i in extra]
        positive = torch.from_numpy(fits(facts[chosen], captions))
        # The fused attention kernels of the CPU are slow backwards at this size.
        with torch.autocast('cpu', torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            video = model.encode_video(normalise(videos[chosen], model))
            text = model.encode_text(_tokens(captions, model, tokens))
        scale = log_scale.exp().clamp(max=100)
        loss = contrastive_loss(video, text, positive, scale, settings.batch_size)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if progress:
            progress(step + 1, loss.item())
    model.logit_scale.fill_(float(log_scale.detach().exp().clamp(max=100)))
    return model.eval().requires_grad_(False)


def _tokens(
    captions: Sequence[Caption], model: VideoLanguageModel, known: dict[str, Tensor]
) -> Tensor:
    new = [text for text in {caption.text for caption in captions} if text not in known]
    if new:
        known.update(zip(new, tokenize(new, model.context_length), strict=True))
    return torch.stack([known[caption.text] for caption in captions])


@torch.no_grad()
def zero_shot_accuracy(
    model: VideoLanguageModel, settings: Pretraining, domain: str, per_class: int = 12
) -> dict[str, float]:
    """Top-1 accuracy in percent on fresh videos: among all classes, and within each half."""
    rng = np.random.default_rng([settings.seed, 1 << 21, list(DOMAINS).index(domain)])
    frames = np.stack(
        [
            _render_clip(action, domain, settings, rng, jitter=False)[0]
            for action in ACTIONS
            for _ in range(per_class)
        ]
    )
    truth = torch.arange(len(ACTIONS)).repeat_interleave(per_class)
    prompts = [plain_caption(action).text for action in ACTIONS]
    text = F.normalize(model.encode_text(tokenize(prompts, model.context_length)), dim=-1)
    video = [model.encode_video(normalise(v, model)) for v in torch.from_numpy(frames).split(96)]
    cosines = F.normalize(torch.cat(video), dim=-1) @ text.T
    base = len(BASE_ACTIONS)
    parts = {'all': (0, len(ACTIONS)), 'base': (0, base), 'novel': (base, len(ACTIONS))}
    result = {}
    for name, (start, stop) in parts.items():
        rows = (truth >= start) & (truth < stop)
        right = cosines[rows, start:stop].argmax(1) + start == truth[rows]
        result[name] = round(100 * right.float().mean().item(), 1)
    return result


def how_it_was_made(
    settings: Pretraining, command: str, accuracy: dict[str, Any], minutes: float
) -> dict[str, str]:
    """Facts for the weight file's metadata."""
    facts = {**asdict(settings), 'accuracy_percent': accuracy, 'wall_minutes': round(minutes, 1)}
    return {
        'made_by': command,
        'data': 'Shapes world, plain domain, rendered and captioned by this project',
        'licence': 'Apache-2.0',
        'torch': torch.__version__.split('+')[0],
        'cores': str(os.cpu_count()),
        **{key: str(value) for key, value in facts.items()},
    }
