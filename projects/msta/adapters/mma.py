"""MMA: multi-modal adapter without a temporal part (Yang et al., CVPR 2024)."""

from __future__ import annotations

from collections.abc import Sequence

from ..foundation import VideoLanguageModel
from .base import TOWERS
from .msta import MSTAAdapter


class MMA(MSTAAdapter):
    """:class:`MSTAAdapter` with ``temporal='none'`` and the defaults of MMA's base-to-novel recipe.

    Args:
        blocks: first and last block of the video tower; the text tower's are paired from the top.
        dim: width of the bottleneck.
        scale: factor of what the adapter adds.
        towers: which towers are adapted.
    """

    def __init__(
        self,
        foundation: VideoLanguageModel,
        blocks: Sequence[int] = (5, 12),
        dim: int = 32,
        scale: float = 0.001,
        towers: Sequence[str] = TOWERS,
    ) -> None:
        super().__init__(
            foundation, blocks=blocks, dim=dim, scale=scale, temporal='none', towers=towers
        )
