"""ViCLIP's key names, read and written."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..architecture import FoundationError
from .keys import BLOCK, StateDict, rename, rename_all

_VICLIP = {
    'vision_encoder.transformer.resblocks.': 'visual.transformer.blocks.',
    'vision_encoder.temporal_positional_embedding': 'visual.temporal_embedding',
    'vision_encoder.': 'visual.',
    'text_encoder.transformer.resblocks.': 'text.transformer.blocks.',
    'text_encoder.text_projection': 'text.proj',
    'text_encoder.': 'text.',
}


def from_viclip(state: Mapping[str, Tensor]) -> StateDict:
    """ViCLIP: ``temp`` divides the cosines; the patch convolution is 3-D, one frame deep."""
    ours = rename_all(state, _VICLIP, BLOCK)
    ours['logit_scale'] = 1 / ours.pop('temp').reshape(())
    conv = ours['visual.conv1.weight']
    if conv.ndim == 5:
        if conv.shape[2] != 1:
            raise FoundationError(
                f'the patch embedding spans {conv.shape[2]} frames; only tubelets of 1 frame, as '
                'in the published ViCLIP, are supported'
            )
        ours['visual.conv1.weight'] = conv.squeeze(2)
    ours['visual.temporal_embedding'] = ours['visual.temporal_embedding'].squeeze(0)
    return ours


def to_viclip(state: Mapping[str, Tensor]) -> StateDict:
    """Return the inverse of :func:`from_viclip`."""
    table = {new: old for old, new in _VICLIP.items()}
    block_table = {new: old for old, new in BLOCK.items()}
    table = dict(sorted(table.items(), key=lambda item: -len(item[0])))
    theirs = {}
    for key, value in state.items():
        renamed = rename(key, table, block_table)
        theirs[renamed.replace('.transformer.blocks.', '.transformer.resblocks.')] = value
    theirs['temp'] = 1 / theirs.pop('logit_scale')
    conv = 'vision_encoder.conv1.weight'
    temporal = 'vision_encoder.temporal_positional_embedding'
    theirs[conv] = theirs[conv].unsqueeze(2)
    theirs[temporal] = theirs[temporal].unsqueeze(0)
    return theirs
