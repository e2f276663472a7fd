"""Contrastive pre-training of a tiny ViCLIP on the plain domain of the Shapes world."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.pretrain_videos import Pretraining, render_clip
from projects.msta.datasets.shapes.captions import (
    Caption,
    fits,
    plain_caption,
    sample_caption,
    scene_facts,
)
from projects.msta.datasets.shapes.classes import ACTIONS, BASE_ACTIONS, all_actions
from projects.msta.datasets.shapes.scenes import DOMAINS, Scene
from projects.msta.foundation import VideoLanguageModel, build_foundation, tokenize


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
            render_clip(action, domain, settings, rng, jitter=False)[0]
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
