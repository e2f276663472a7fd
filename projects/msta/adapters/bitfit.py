"""BitFit: only the biases are trained (Ben Zaken et al., ACL 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from ..foundation import VideoLanguageModel
from .base import TOWERS
from .weights import WeightTuning


class BitFit(WeightTuning):
    """Training of every bias of the towers: of linear layers and of layer norms.

    The bias of the attention keys has no effect (it adds the same to all scores of a query), and
    changes by weight decay alone.

    Args:
        towers: whose biases are trained.
    """

    def __init__(self, foundation: VideoLanguageModel, towers: Sequence[str] = TOWERS) -> None:
        super().__init__(foundation, towers, lambda name: name.endswith('bias'))

    def first_text_block(self, foundation: VideoLanguageModel) -> int:
        return 1 if self.trains_text else super().first_text_block(foundation)
