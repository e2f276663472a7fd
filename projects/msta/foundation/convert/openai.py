"""OpenAI's key names: its own files, OpenCLIP, and what was tuned from either."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .keys import BLOCK, StateDict, rename_all

_OPENAI = {
    'visual.transformer.resblocks.': 'visual.transformer.blocks.',
    'visual.': 'visual.',
    'transformer.resblocks.': 'text.transformer.blocks.',
    'token_embedding.': 'text.token_embedding.',
    'positional_embedding': 'text.positional_embedding',
    'ln_final.': 'text.ln_final.',
    'text_projection': 'text.proj',
}


def from_openai(state: Mapping[str, Tensor]) -> StateDict:
    """OpenAI CLIP and OpenCLIP: ``logit_scale`` is the logarithm of the multiplier."""
    ours = rename_all(state, _OPENAI, BLOCK)
    ours['logit_scale'] = ours['logit_scale'].exp().reshape(())
    ours.pop('logit_bias', None)
    return ours


def from_custom_text(state: Mapping[str, Tensor]) -> StateDict:
    """OpenCLIP's ``CustomTextCLIP``: the text tower's keys begin with ``text.``; its projection may
    be a linear layer, which is transposed.
    """
    flat = {key.removeprefix('text.'): value for key, value in state.items()}
    if 'text_projection.weight' in flat:
        flat['text_projection'] = flat.pop('text_projection.weight').T.contiguous()
    return from_openai(flat)
