"""Full fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

from ..foundation import VideoLanguageModel
from .base import TOWERS
from .weights import WeightTuning


class FullFineTuning(WeightTuning):
    """Training of every weight of the towers except the token embedding.

    The table of 49,408 tokens stays frozen, as in the paper's comparison (124.3M): most of its rows
    would never get a gradient. Takes a far lower learning rate than adapters do (about 1e-5).

    Args:
        towers: which towers are trained.
    """

    def __init__(self, foundation: VideoLanguageModel, towers: Sequence[str] = TOWERS) -> None:
        super().__init__(foundation, towers, lambda name: not name.startswith('token_embedding.'))

    def first_text_block(self, foundation: VideoLanguageModel) -> int:
        """Give 0: positions are trained too."""
        return 0 if self.trains_text else super().first_text_block(foundation)
