"""CLIPs tuned on videos, as their trainings keep them: ViFi-CLIP, Open-VCLIP."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..architecture import FoundationError
from .keys import StateDict
from .openai import from_openai

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
