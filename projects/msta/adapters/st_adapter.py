"""ST-Adapter: a depthwise 3-D convolution in a bottleneck (Pan et al., NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ..foundation import Sites, TokenLayout, VideoLanguageModel
from .base import FoundationAdapter, check_positive, tower_blocks
from .msta import TemporalConv


class _Convolution(nn.Module):
    """``up(conv(down(x)))`` of the patch tokens, zero at the start; CLS gets nothing."""

    def __init__(self, width: int, dim: int, kernel: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.Linear(width, dim)
        self.temporal = TemporalConv(dim, dim, kernel, depthwise=True)
        self.up = nn.Linear(dim, width)
        for zero in (self.down.bias, self.up.bias, *self.temporal.parameters()):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor, layout: TokenLayout) -> Tensor:
        """Map ``(N, L, W)`` to ``(N, L, W)``."""
        t, h, w = layout.frames, layout.height, layout.width
        z = self.down(x[:, 1:])
        if layout.kind == 'joint':  # (B, H*W*T, C), position-major
            grid = z.unflatten(1, (h, w, t)).permute(0, 3, 1, 2, 4)  # (B, T, H, W, C)
            z = self.temporal(grid).permute(0, 2, 3, 1, 4).flatten(1, 3)
        else:  # (B*T, H*W, C)
            grid = z.unflatten(0, (-1, t)).unflatten(2, (h, w))
            z = self.temporal(grid).flatten(2, 3).flatten(0, 1)
        return F.pad(self.up(z), (0, 0, 1, 0))


class STAdapter(FoundationAdapter):
    """Before attention, in the video tower: ``x + up(DWConv3d(down(x)))`` on the patch tokens.

    Details follow the authors' code (linziyi96/st-adapter): no activation, the convolution starts
    at zero, the CLS token is left alone. The class embeddings stay those of the frozen text tower.

    Args:
        blocks: first and last block of the video tower; None adapts all.
        dim: width of the bottleneck; half the tower's in the paper.
        kernel: frames, height, width; odd.
    """

    def __init__(
        self,
        foundation: VideoLanguageModel,
        blocks: Sequence[int] | None = None,
        dim: int = 384,
        kernel: Sequence[int] = (3, 1, 1),
    ) -> None:
        super().__init__(foundation)
        check_positive('dim', dim)
        self.convolutions = nn.ModuleDict()
        for number in tower_blocks(foundation.arch, ('video',), blocks)['video']:
            before = _Convolution(foundation.arch.width, dim, kernel)
            self.convolutions[str(number)] = before
            self.video[number] = Sites(before=before)
