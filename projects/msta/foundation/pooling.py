"""Pooling of all tokens of a frame by attention (MAP head of big_vision's ``vit.py``)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import Architecture
from .transformer import MLP, Attention


class AttentionPooling(nn.Module):
    """A learned probe asks all tokens, and an MLP works on what it gets: ``y + mlp(ln(y))``.

    In SigLIP and Perception Encoder, which read it off the normed output of the last block.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        width = arch.width
        self.probe = nn.Parameter(width**-0.5 * torch.randn(1, 1, width))
        self.attn = Attention(width, arch.pool_heads or arch.heads)
        self.ln = nn.LayerNorm(width, arch.norm_eps)
        self.mlp = MLP(width, round(arch.pool_mlp_ratio * width), arch.activation)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, L, W)`` -> ``(N, W)``."""
        layer, width = self.attn.qkv, x.shape[-1]
        query = F.linear(self.probe, layer.weight[:width], layer.bias[:width])
        keys, values = F.linear(x, layer.weight[width:], layer.bias[width:]).chunk(2, dim=-1)
        heads = (self.attn.heads, width // self.attn.heads)
        query, keys, values = (
            part.unflatten(2, heads).transpose(1, 2)
            for part in (query.expand(len(x), -1, -1), keys, values)
        )  # (N, heads, 1 or L, W / heads)
        attended = F.scaled_dot_product_attention(query, keys, values)
        y = self.attn.out(attended.transpose(1, 2).flatten(2))[:, 0]
        return y + self.mlp(self.ln(y))
