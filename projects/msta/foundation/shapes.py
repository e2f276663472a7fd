"""What the tensors of a model say of its architecture: all sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .architecture import FoundationError


def sizes_of(kind: str, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Fields of :class:`Architecture` that converted tensors show."""

    def depth(tower: str) -> int:
        pattern = re.compile(rf'{tower}\.transformer\.blocks\.(\d+)\.')
        numbers = {int(m.group(1)) for m in map(pattern.match, state) if m}
        gaps = sorted(set(range(len(numbers))) - numbers)
        if gaps:
            raise FoundationError(
                f'the {tower} tower has blocks up to {max(numbers)}, but block {gaps[0]} is missing'
            )
        return len(numbers)

    try:
        conv = state['visual.conv1.weight']
        if conv.ndim != 4:
            raise FoundationError(
                f'its patch embedding is a matrix, {tuple(conv.shape)}: this is SigLIP 2 for '
                'images of any shape (NaFlex), not supported. Take a release of fixed image size'
            )
        width, patch = conv.shape[0], conv.shape[-1]
        class_token = 'visual.class_embedding' in state
        side = math.isqrt(len(state['visual.positional_embedding']) - int(class_token))
        vocab, text_width = state['text.token_embedding.weight'].shape
        found: dict[str, Any] = dict(
            embed_dim=state['text.proj'].shape[1],
            image_size=side * patch,
            patch_size=patch,
            width=width,
            layers=depth('visual'),
            mlp_ratio=len(state['visual.transformer.blocks.0.mlp.fc.bias']) / width,
            text_width=text_width,
            text_layers=depth('text'),
            text_mlp_ratio=len(state['text.transformer.blocks.0.mlp.fc.bias']) / text_width,
            context_length=len(state['text.positional_embedding']),
            vocab_size=vocab,
            num_frames=len(state['visual.temporal_embedding']) if kind == 'ViCLIP' else 8,
            class_token=class_token,
            ln_pre='visual.ln_pre.weight' in state,
            patch_bias='visual.conv1.bias' in state,
            projection='visual.proj' in state,
            text_proj_bias='text.proj_bias' in state,
            logit_bias='logit_bias' in state,
        )
        if 'visual.pool.probe' in state:
            found['pooling'] = 'attention'
            found['pool_mlp_ratio'] = len(state['visual.pool.mlp.fc.bias']) / width
        return found
    except KeyError as error:
        raise FoundationError(
            f'the file lacks the tensor {error}, needed to read its architecture'
        ) from error
