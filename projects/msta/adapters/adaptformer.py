"""AdaptFormer: a bottleneck beside each MLP (Chen et al., NeurIPS 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..foundation import Taps, TokenLayout, VideoLanguageModel
from .base import TOWERS, FoundationAdapter, check_choice, check_positive, tower_blocks

INPUTS = ('mid', 'ln_2')


class _Bottleneck(nn.Module):
    """``scale * up(dropout(relu(down(z))))``, zero at the start."""

    def __init__(
        self, width: int, dim: int, scale: float | None, input: str, dropout: float
    ) -> None:
        super().__init__()
        self.down = nn.Linear(width, dim)
        self.up = nn.Linear(dim, width)
        self.scale = nn.Parameter(torch.ones(1)) if scale is None else scale
        self.input = input
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, taps: Taps, layout: TokenLayout) -> Tensor:
        """Map ``(N, L, W)`` to ``(N, L, W)``."""
        z = taps.mid if self.input == 'mid' else taps.ln_2
        return self.scale * self.up(self.dropout(F.relu(self.down(z))))


class AdaptFormer(FoundationAdapter):
    """A bottleneck parallel to the MLP: ``x' + MLP(LN(x')) + s * up(relu(down(x')))``.

    ``x'`` is what attention leaves. Details follow the authors' code (ShoufaChen/AdaptFormer): no
    layer norm of its own, ``up`` starts at zero, dropout behind the ReLU.

    Args:
        blocks: first and last block of the video tower; the text tower's are paired from the top.
            None adapts all blocks.
        dim: width of the bottleneck.
        scale: s, 0.1 in the paper; None trains a number for each block, which starts at 1.
        input: ``'mid'``, ``x'`` as in the authors' code, or ``'ln_2'``, ``LN(x')`` by the frozen
            layer norm, close to the paper's formula.
        dropout: probability of dropping a bottleneck unit in training; 0.1 in the authors' code.
        towers: which towers are adapted; the original has only a video tower.
    """

    def __init__(
        self,
        foundation: VideoLanguageModel,
        blocks: Sequence[int] | None = None,
        dim: int = 64,
        scale: float | None = 0.1,
        input: str = 'mid',
        dropout: float = 0.1,
        towers: Sequence[str] = TOWERS,
    ) -> None:
        super().__init__(foundation)
        check_positive('dim', dim)
        check_choice('input', input, INPUTS)
        arch = foundation.arch
        widths = {'video': arch.width, 'text': arch.text_width}
        sides = {'video': self.video, 'text': self.text}
        self.bottlenecks = nn.ModuleDict()
        for tower, numbers in tower_blocks(arch, towers, blocks).items():
            for number in numbers:
                beside = _Bottleneck(widths[tower], dim, scale, input, dropout)
                self.bottlenecks[f'{tower}_{number}'] = beside
                sides[tower][number] = beside
