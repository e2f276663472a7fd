"""What every way of adapting a frozen foundation has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor, nn

from ..foundation import TextState, TokenLayout, VideoLanguageModel, VideoState
from ..foundation.architecture import Architecture
from ..foundation.transformer import BlockAdapter

TOWERS = ('video', 'text')
# Of a block's input, and of the block's ``ln_1`` of it, both ``(N, L, W)``.
BesideInput: TypeAlias = Callable[[Tensor, Tensor, TokenLayout], Tensor]


class AdapterError(ValueError):
    """An adapter that cannot be put on this foundation as asked."""


class FoundationAdapter(nn.Module):
    """The trained part beside a frozen :class:`VideoLanguageModel`.

    ``video`` and ``text`` map 1-based block numbers to what runs beside that block. The class
    itself is the empty adapter: it has no parameters and leaves the foundation as it is.

    No method writes to the foundation: called without an adapter it is the frozen model, at any
    time. ``shared`` names parameters of this module that are the foundation's own, not trained
    and in no checkpoint.
    """

    shared: frozenset[str] = frozenset()

    def __init__(self, foundation: VideoLanguageModel) -> None:
        super().__init__()
        self.video: dict[int, BlockAdapter] = {}
        self.text: dict[int, BlockAdapter] = {}

    def foundation_loaded(self, foundation: VideoLanguageModel) -> None:
        """Start from the weights that the foundation has just got."""

    def first_text_block(self, foundation: VideoLanguageModel) -> int:
        """Give the lowest text block that training can change; the last when it changes none.

        Below it the text path is computed once per label list. The last block is always left over:
        only there is it known which row of each text is read. 0 is the embedding.
        """
        return min(self.text, default=foundation.arch.text_layers)

    def first_video_block(self, foundation: VideoLanguageModel) -> int:
        """Give the lowest video block that training can change; the last when it changes none.

        0 is the embedding.
        """
        return min(self.video, default=foundation.arch.layers)

    def beside_input(self, number: int) -> BesideInput | None:
        """Give what stands beside video block ``number`` if it reads only the block's input.

        Then the block's own output never changes in training, as little as what lies below it.
        """
        return None

    @property
    def trains_text(self) -> bool:
        """Whether class embeddings change in training."""
        return bool(self.text)

    def encode_video(self, foundation: VideoLanguageModel, video: Tensor | VideoState) -> Tensor:
        """Embed normalised clips ``(B, 3, T, H, W)``, or clips that stand before
        :meth:`first_video_block`: ``(B, D)``, not normalised.
        """
        return foundation.encode_video(video, self.video)

    def encode_text(self, foundation: VideoLanguageModel, state: TextState) -> Tensor:
        """Embed texts that stand before :meth:`first_text_block`: ``(N, D)``, not normalised."""
        return foundation.text.finish(state, self.text)

    def merged(self, foundation: VideoLanguageModel) -> VideoLanguageModel:
        """Make a plain model that computes what ``foundation`` and this adapter do together.

        ``foundation`` stays as it is; what equals its weights is shared with it. Raises
        :class:`AdapterError` when the method is not a change of weights.
        """
        raise AdapterError(
            f'{type(self).__name__} does not change the weights of the foundation, so it cannot be '
            'merged into them; LoRA, BitFit and FullFineTuning can'
        )


def resolve_blocks(blocks: Sequence[int], layers: int) -> range:
    """Turn ``(first, last)``, 1-based and both included as in the paper, into block numbers.

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


def tower_blocks(
    arch: Architecture, towers: Sequence[str], blocks: Sequence[int] | None
) -> dict[str, range]:
    """Give the block numbers that a method works on, a range for each of ``towers``.

    ``blocks`` are the video tower's; the text tower takes part from the top, as in
    :class:`MSTAAdapter`. None stands for all blocks of either tower.
    """
    check_towers(towers)
    if blocks is None:
        found = {'video': range(1, arch.layers + 1), 'text': range(1, arch.text_layers + 1)}
    else:
        video = resolve_blocks(blocks, arch.layers)
        shift = arch.text_layers - arch.layers
        text = range(max(video.start + shift, 1), max(video.stop + shift, 1))
        found = {'video': video, 'text': text}
    found = {tower: found[tower] for tower in TOWERS if tower in towers}
    if blocks is not None and not any(found.values()):
        raise AdapterError(
            f'blocks={tuple(blocks)} of the video tower ({arch.layers} blocks) meet none of the '
            f"text tower's {arch.text_layers}, so nothing would be trained"
        )
    return found


def check_towers(towers: Sequence[str]) -> None:
    """Raise :class:`AdapterError` unless ``towers`` is one or both of :data:`TOWERS`."""
    if not towers or set(towers) - set(TOWERS):
        raise AdapterError(f'towers={towers!r} must be one or both of {TOWERS}')


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise :class:`AdapterError` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise AdapterError(f'{name}={value!r} is not one of {tuple(choices)}')


def check_positive(name: str, value: int) -> None:
    """Raise :class:`AdapterError` unless ``value`` is at least 1."""
    if value < 1:
        raise AdapterError(f'{name}={value} must be at least 1')
