"""What a model does, in numbers: attention, similar classes, the size of what is trained."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..adapters import FoundationAdapter
from ..labels import make_prompts
from ..models import MSTARecognizer


@torch.no_grad()
def cls_attention(model: MSTARecognizer, clip: Tensor, block: int | None = None) -> Tensor:
    """Attention of the CLS token in a block of the video tower, the mean over its heads.

    Args:
        model: a recognizer in evaluation mode.
        clip: ``(3, T, H, W)``, uint8, as the test pipeline gives it.
        block: 1-based, by default the last.

    Returns:
        ``(T, h, w)`` over the grid of patches; what is missing to a sum of 1 (of T for a tower that
        sees each frame alone) is the attention of the CLS token to itself.
    """
    tower = model.backbone.foundation.visual
    if tower.arch.pooling != 'cls':
        raise ValueError(
            f'the video embedding of a {tower.arch.kind} is not read from a class token but pooled '
            'from all tokens by attention: there is no attention of a class token to show'
        )
    trained = getattr(model.backbone.adapter, 'towers', {})
    if 'video' in trained:
        tower = trained['video']
    blocks = tower.transformer.blocks
    number = len(blocks) if block is None else block
    if not 1 <= number <= len(blocks):
        raise ValueError(f'block={number} must lie in 1..{len(blocks)}')
    seen: list[Tensor] = []

    def watch(module: Any, args: tuple, kwargs: dict) -> None:
        given = dict(zip(('x', 'layout', 'rows', 'changes'), args, strict=False)) | kwargs
        seen.append(_cls_weights(module, given['x'], given.get('changes') or {}))

    handle = blocks[number - 1].attn.register_forward_pre_hook(watch, with_kwargs=True)
    try:
        mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
        video = (clip.to(model.device).float() - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1)
        layout = tower.layout(video[None])
        model.backbone.encode_video(video[None])
    finally:
        handle.remove()
    patches = seen[0][:, 1:]  # (1, n * T), position-major, or (T, n)
    if layout.kind == 'joint':
        patches = patches.view(-1, layout.frames).T
    return patches.reshape(layout.frames, layout.height, layout.width).cpu()


def _cls_weights(attention: Any, x: Tensor, changes: dict) -> Tensor:
    """Block input ``(N, L, W)`` -> weights of the first token's attention, ``(N, L)``."""
    qkv = attention.qkv(x)
    if 'qkv' in changes:
        qkv = qkv + changes['qkv'](x)
    q, k, _ = qkv.unflatten(2, (3, attention.heads, -1)).unbind(2)  # (N, L, heads, W / heads)
    scores = torch.einsum('nhd,nlhd->nhl', q[:, 0], k) * q.shape[-1] ** -0.5
    return scores.softmax(-1).mean(1)


def class_similarities(model: MSTARecognizer) -> dict[str, np.ndarray]:
    """Cosines between the classes ``(K, K)``, by the frozen and by the trained text tower."""
    prompts = make_prompts(model.classes.current.labels, model.templates[0])
    towers = {
        'before training': model.classes.frozen_texts(prompts),
        'after training': model.classes.texts(prompts),
    }
    units = {name: F.normalize(embeds, dim=-1).cpu() for name, embeds in towers.items()}
    return {name: (unit @ unit.T).numpy() for name, unit in units.items()}


def adapter_norms(adapter: FoundationAdapter) -> dict[str, dict[str, float]]:
    """Root mean square of the trained weights (no biases), by block and part.

    The number in a parameter's name is its block; what stands behind it is the part.
    """
    parts: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    for name, parameter in adapter.named_parameters():
        if name.endswith('bias') or name in adapter.shared:
            continue
        words = name.split('.')
        number = next((i for i, word in enumerate(words) if word.isdigit()), None)
        block, part = ('all', words[0]) if number is None else words[number : number + 2]
        parts[block][part].append(parameter.detach().flatten())
    return {
        block: {part: torch.cat(w).square().mean().sqrt().item() for part, w in found.items()}
        for block, found in parts.items()
    }
