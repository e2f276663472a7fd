"""Hugging Face's key names of a ``CLIPModel``."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .keys import StateDict, rename_all

_HF = {
    'vision_model.embeddings.class_embedding': 'visual.class_embedding',
    'vision_model.embeddings.patch_embedding.': 'visual.conv1.',
    'vision_model.embeddings.position_embedding.weight': 'visual.positional_embedding',
    'vision_model.pre_layrnorm.': 'visual.ln_pre.',
    'vision_model.encoder.layers.': 'visual.transformer.blocks.',
    'vision_model.post_layernorm.': 'visual.ln_post.',
    'visual_projection.weight': 'visual.proj',
    'text_model.embeddings.token_embedding.': 'text.token_embedding.',
    'text_model.embeddings.position_embedding.weight': 'text.positional_embedding',
    'text_model.encoder.layers.': 'text.transformer.blocks.',
    'text_model.final_layer_norm.': 'text.ln_final.',
    'text_projection.weight': 'text.proj',
}
_NAMES_INBLOCK = {
    'self_attn.out_proj.': 'attn.out.',
    'self_attn.': 'attn.',  # q_proj, k_proj, v_proj: joined below
    'layer_norm1.': 'ln_1.',
    'layer_norm2.': 'ln_2.',
    'mlp.fc1.': 'mlp.fc.',
    'mlp.fc2.': 'mlp.proj.',
}


def from_hf(state: Mapping[str, Tensor]) -> StateDict:
    """Hugging Face ``CLIPModel``: separate q, k, v; projections transposed."""
    ours = rename_all(state, _HF, _NAMES_INBLOCK)
    for key in [key for key in ours if '.attn.q_proj.' in key]:
        parts = [ours.pop(key.replace('q_proj', f'{name}_proj')) for name in 'qkv']
        ours[key.replace('q_proj', 'qkv')] = torch.cat(parts)
    for key in ('visual.proj', 'text.proj'):
        ours[key] = ours[key].T.contiguous()
    ours['logit_scale'] = ours['logit_scale'].exp().reshape(())
    return ours
