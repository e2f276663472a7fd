"""OpenCLIP's key names around an image tower of timm: Perception Encoder and SigLIP."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..architecture import FoundationError
from .keys import StateDict, rename_all
from .openai import from_custom_text

_TRUNK = {
    'visual.trunk.cls_token': 'visual.class_embedding',
    'visual.trunk.pos_embed': 'visual.positional_embedding',
    'visual.trunk.patch_embed.proj.': 'visual.conv1.',
    'visual.trunk.norm_pre.': 'visual.ln_pre.',
    'visual.trunk.norm.': 'visual.ln_post.',
    'visual.trunk.blocks.': 'visual.transformer.blocks.',
    'visual.trunk.head.weight': 'visual.proj',
    'visual.trunk.head.bias': 'visual.proj_bias',
    'visual.trunk.attn_pool.latent': 'visual.pool.probe',
    'visual.trunk.attn_pool.proj.': 'visual.pool.attn.out.',
    'visual.trunk.attn_pool.norm.': 'visual.pool.ln.',
    'visual.trunk.attn_pool.mlp.fc1.': 'visual.pool.mlp.fc.',
    'visual.trunk.attn_pool.mlp.fc2.': 'visual.pool.mlp.proj.',
    'visual.trunk.attn_pool.': 'visual.pool.attn.',  # q, kv: joined below
}
_BLOCK = {
    'norm1.': 'ln_1.', 'norm2.': 'ln_2.', 'attn.qkv.': 'attn.qkv.', 'attn.proj.': 'attn.out.',
    'mlp.fc1.': 'mlp.fc.', 'mlp.fc2.': 'mlp.proj.',
}  # fmt: skip


def from_timm(state: Mapping[str, Tensor]) -> StateDict:
    """Convert an image tower of timm with pooling by attention, and OpenCLIP's text tower.

    Raises:
        FoundationError: the projection has a bias, which neither of the original models has.
    """
    trunk = {key: value for key, value in state.items() if key.startswith('visual.trunk.')}
    ours = from_custom_text({key: value for key, value in state.items() if key not in trunk})
    ours |= rename_all(trunk, _TRUNK, _BLOCK)
    if 'logit_bias' in state:
        ours['logit_bias'] = state['logit_bias'].float().reshape(())
    for part in ('weight', 'bias'):
        query, rest = (ours.pop(f'visual.pool.attn.{name}.{part}') for name in ('q', 'kv'))
        ours[f'visual.pool.attn.qkv.{part}'] = torch.cat([query, rest])
    for key in ('visual.class_embedding', 'visual.positional_embedding'):
        if key in ours:
            ours[key] = ours[key].flatten(0, -2).squeeze(0)
    if 'visual.proj' in ours:
        ours['visual.proj'] = ours['visual.proj'].T.contiguous()
        bias = ours.pop('visual.proj_bias', None)
        if bias is not None and bool(bias.any()):
            raise FoundationError(
                'visual.trunk.head.bias is not zero: the projection of a Perception Encoder has no '
                'bias, so this is another model'
            )
    return ours
