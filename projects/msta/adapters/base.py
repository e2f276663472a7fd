"""What every way of adapting a frozen foundation has in common."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ..foundation import VideoLanguageModel
from ..foundation.transformer import BlockAdapter


class AdapterError(ValueError):
    """An adapter cannot be put on this foundation as asked."""


class FoundationAdapter(nn.Module):
    """The trained part beside a frozen :class:`VideoLanguageModel`.

    ``video`` and ``text`` map 1-based block numbers to what runs beside that block. The class
    itself is the empty adapter: it has no parameters and leaves the foundation as it is.
    """

    def __init__(self, foundation: VideoLanguageModel) -> None:
        super().__init__()
        self.video: dict[int, BlockAdapter] = {}
        self.text: dict[int, BlockAdapter] = {}

    def first_text_block(self, foundation: VideoLanguageModel) -> int:
        """The lowest text block that training can change; the last when it changes none.

        Below it the text path is computed once a label list. The last block is always left over:
        only there is it known which row of each text is read.
        """
        return min(self.text, default=foundation.arch.text_layers)

    @property
    def trains_text(self) -> bool:
        """Whether class embeddings change in training."""
        return bool(self.text)


def resolve_blocks(blocks: Sequence[int], layers: int) -> range:
    """``(first, last)``, 1-based and both included as in the paper -> the block numbers.

    Raises :class:`AdapterError` when the range is empty or leaves the tower.
    """
    if len(blocks) != 2 or not all(isinstance(number, int) for number in blocks):
        raise AdapterError(f'blocks={blocks!r} must be two block numbers: (first, last)')
    first, last = blocks
    if not 1 <= first <= last <= layers:
        raise AdapterError(
            f'blocks={tuple(blocks)} must satisfy 1 <= first <= last <= {layers}, the number of '
            'blocks of the video tower (both ends are included)'
        )
    return range(first, last + 1)
