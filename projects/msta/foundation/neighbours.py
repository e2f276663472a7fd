"""Attention to the frames before and after (Open-VCLIP, Weng et al., ICML 2023)."""

from __future__ import annotations

import torch
from torch import Tensor


def with_neighbours(x: Tensor, frames: int) -> Tensor:
    """Keys or values of each frame ``(B*T, L, heads, w)`` -> of the next, the previous and this
    frame, ``(B*T, 3L, heads, w)``.

    Beyond the ends of a clip stand zeros, which take part in the softmax, as in the authors' code
    (``expand_temporal_view``).
    """
    clips = x.unflatten(0, (-1, frames))
    nothing = torch.zeros_like(clips[:, :1])
    after = torch.cat([clips[:, 1:], nothing], dim=1)
    before = torch.cat([nothing, clips[:, :-1]], dim=1)
    return torch.cat([after, before, clips], dim=2).flatten(0, 1)
