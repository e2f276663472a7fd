"""What training cannot change of a clip's way through the video tower, to be kept and used again.

That is all below the first adapted block and, where the adapter beside it reads only the block's
input, the block's own output too: one block less to compute for each clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from ..adapters import FoundationAdapter
from ..foundation import VideoLanguageModel, VideoState
from ..foundation.transformer import Block, in_float32


@dataclass(frozen=True)
class VideoFeatures(VideoState):
    """Clips before ``block``, and ``out``, what the frozen block makes of ``x``, where it is known.

    Without ``out``, or where nobody looks at it, this is a :class:`VideoState` like any other.
    """

    out: Tensor | None = None


def frozen_features(
    foundation: VideoLanguageModel, adapter: FoundationAdapter, video: Tensor
) -> VideoFeatures:
    """Take normalised clips ``(B, 3, T, H, W)`` as far as ``adapter`` changes nothing."""
    block = adapter.first_video_block(foundation)
    state = foundation.visual.advance(video, block)
    out = None
    # Of the last block only one row is read, which costs little: its output is not kept.
    if adapter.beside_input(block) is not None and block < foundation.arch.layers:
        out = foundation.visual.transformer(state.x, state.layout, start=block, stop=block)
    return VideoFeatures(state.x, state.layout, block, out)


def pass_known_block(
    foundation: VideoLanguageModel, adapter: FoundationAdapter, features: VideoFeatures
) -> VideoState:
    """Add what stands beside a block to its known output: the clips before the next block.

    Bitwise what :meth:`Block.forward` gives. Features without a known output stay as they are.
    """
    beside = adapter.beside_input(features.block)
    if features.out is None or beside is None:
        return features
    block = cast(Block, foundation.visual.transformer.blocks[features.block - 1])
    layout = features.layout
    # In float32 under autocast, as Block has it.
    added = in_float32(lambda raw: beside(raw, block.ln_1(raw), layout), features.x)
    return VideoState(features.out + added, layout, features.block + 1)
