"""OpenAI's key names: its own files, OpenCLIP, Perception Encoder, Long-CLIP, tuned ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..architecture import FoundationError
from .keys import BLOCK, StateDict, rename_all

_OPENAI = {
    'visual.transformer.resblocks.': 'visual.transformer.blocks.',
    # Pooling by attention: Perception Encoder (perception_models), whose other names are CLIP's.
    'visual.attn_pool.layernorm.': 'visual.pool.ln.',
    **{f'visual.attn_pool.{old}': f'visual.pool.{new}' for old, new in BLOCK.items()},
    'visual.attn_pool.': 'visual.pool.',
    'visual.': 'visual.',
    'transformer.resblocks.': 'text.transformer.blocks.',
    'token_embedding.': 'text.token_embedding.',
    'positional_embedding': 'text.positional_embedding',
    'ln_final.': 'text.ln_final.',
    'text_projection': 'text.proj',
}


def from_openai(state: Mapping[str, Tensor]) -> StateDict:
    """OpenAI CLIP, OpenCLIP, ``PE-Core-*.pt``: ``logit_scale``, a logarithm, becomes a factor."""
    ours = rename_all(state, _OPENAI, BLOCK)
    ours['logit_scale'] = ours['logit_scale'].exp().reshape(())
    ours.pop('logit_bias', None)
    return ours


# Long-CLIP keeps this many positions of CLIP, and stretches the rest (model_longclip.py).
_KEPT = 20


def from_long_clip(state: Mapping[str, Tensor]) -> StateDict:
    """Long-CLIP: the first positions stand in one table, those behind them in another.

    Raises:
        FoundationError: the two tables differ in size.
    """
    flat = dict(state)
    kept, stretched = flat['positional_embedding'], flat.pop('positional_embedding_res')
    if kept.shape != stretched.shape:
        raise FoundationError(
            f'positional_embedding is {tuple(kept.shape)}, positional_embedding_res '
            f'{tuple(stretched.shape)}: in Long-CLIP they are alike'
        )
    flat['positional_embedding'] = torch.cat([kept[:_KEPT], stretched[_KEPT:]])
    return from_openai(flat)


def from_custom_text(state: Mapping[str, Tensor]) -> StateDict:
    """OpenCLIP's ``CustomTextCLIP``: the text tower's keys begin with ``text.``; its projection may
    be a linear layer, which is transposed.
    """
    flat = {key.removeprefix('text.'): value for key, value in state.items()}
    if 'text_projection.weight' in flat:
        flat['text_projection'] = flat.pop('text_projection.weight').T.contiguous()
    bias = flat.pop('text_projection.bias', None)
    ours = from_openai(flat)
    if bias is not None:
        ours['text.proj_bias'] = bias.float()
    return ours
