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


TOKEN_EMBEDDING = 'text.token_embedding.weight'
_VIFI = {'image_encoder.': 'visual.', 'text_encoder.': '', 'logit_scale': 'logit_scale'}
# The embedded prompts of the classes it was trained on, (K, L, W).
_PROMPTS = 'prompt_learner.complete_text_embeddings'
# SlowFast's checkpoints may hold the CLIP that was tuned as well.
_TUNED, _RAW = 'model.', 'raw_model.'


def from_vifi(state: Mapping[str, Tensor]) -> StateDict:
    """ViFi-CLIP without its token embedding, which is in no such file: CLIP's own, never trained.

    Raises:
        FoundationError: trained prompts are part of the model.
    """
    flat = {}
    for key, value in state.items():
        if (key.startswith('prompt_learner.') and key != _PROMPTS) or 'VPT' in key:
            raise FoundationError(
                f'{key}: this ViFi-CLIP was tuned by prompts, which are not computed here; those '
                'with all weights tuned are supported'
            )
        old = next((old for old in _VIFI if key.startswith(old)), '')
        if key != _PROMPTS:
            flat[_VIFI.get(old, '') + key.removeprefix(old)] = value
    return from_openai(flat)


def check_token_embedding(state: Mapping[str, Tensor], embedding: Tensor) -> None:
    """Compare the start token in the prompts of a ViFi-CLIP with a token embedding.

    Raises:
        FoundationError: they differ: it was tuned from another CLIP.
    """
    prompts = state.get(_PROMPTS)
    if prompts is None:
        return
    start = embedding[len(embedding) - 2].float()
    given = prompts[0, 0].float()
    # Prompts are embedded in half precision.
    if given.shape != start.shape or not torch.allclose(given, start, atol=1e-3, rtol=1e-2):
        raise FoundationError(
            'token_embedding is not that of the CLIP it was tuned from: the start token in its '
            'prompts has other values. Name the file of that CLIP'
        )


def from_slowfast(state: Mapping[str, Tensor]) -> StateDict:
    """Open-VCLIP and what has its training code: ``model.`` before the names of CLIP."""
    return from_openai(
        {key.removeprefix(_TUNED): v for key, v in state.items() if not key.startswith(_RAW)}
    )
