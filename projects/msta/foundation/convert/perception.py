"""Perception Encoder's key names (``perception_models``): CLIP's, and a pooling by attention."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .keys import BLOCK, StateDict
from .openai import from_openai

_POOL = 'visual.attn_pool.'
_IN_POOL = {**BLOCK, 'layernorm.': 'ln.'}


def from_perception(state: Mapping[str, Tensor]) -> StateDict:
    """``PE-Core-*.pt``; the pooling's names are those of a block."""
    pooling = {key.removeprefix(_POOL) for key in state if key.startswith(_POOL)}
    ours = from_openai({k: v for k, v in state.items() if not k.startswith(_POOL)})
    for key in pooling:
        name = key
        for old, new in _IN_POOL.items():
            if key.startswith(old):
                name = new + key[len(old) :]
        ours[f'visual.pool.{name}'] = state[_POOL + key].float()
    return ours
