"""Foreign checkpoints -> our names: pure ``dict -> dict`` functions with key tables.

Nothing here touches a file or a model. Keys that no table explains are left to the caller, who
refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from ..architecture import PRESETS, Architecture, FoundationError
from ..facts import OPEN_FACTS
from .foreign import refuse_foreign
from .hf import from_hf
from .keys import StateDict
from .openai import from_custom_text, from_openai
from .viclip import from_viclip, to_viclip

__all__ = ['FORMATS', 'Format', 'detect_format', 'strip_wrappers', 'to_viclip']


class Format(NamedTuple):
    """A family of checkpoints: how its keys tell it apart, and how it is converted.

    ``facts`` of all models of the family, known from the code they come with, and so are heads of
    64 channels (``heads_by_64``). ``firm`` where nothing else may be said. ``hugging_face``: the
    configs that lie beside it are of that form.
    """

    name: str
    kind: str
    marks: tuple[str, ...]
    convert: Callable[[Mapping[str, Tensor]], StateDict]
    facts: Mapping[str, Any] = {}
    heads_by_64: bool = False
    firm: bool = False
    hugging_face: bool = False

    def said(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """What the family says of a model of these sizes."""
        heads = {name: max(1, sizes[width] // 64) for name, width in HEADS.items()}
        return {**self.facts, **(heads if self.heads_by_64 else {})}


def _of_all_sizes(arch: Architecture) -> dict[str, Any]:
    return {name: getattr(arch, name) for name in OPEN_FACTS if name not in HEADS}


HEADS = {'heads': 'width', 'text_heads': 'text_width'}
# clip/model.py and clip.py of openai/CLIP; viclip.py, viclip_vision.py, viclip_text.py and the demo
# of OpenGVLab/InternVideo (ViCLIP). In both all towers have 64 channels a head.
_OPENAI_FACTS = _of_all_sizes(PRESETS['CLIP', 'b16'])
_VICLIP_FACTS = _of_all_sizes(PRESETS['ViCLIP', 'b16'])
_CLIP_MARKS = ('visual.conv1.weight', 'token_embedding.weight', 'text_projection', 'logit_scale')

FORMATS = (
    Format(
        'ViCLIP',
        'ViCLIP',
        ('vision_encoder.conv1.weight', 'text_encoder.token_embedding.weight', 'temp'),
        from_viclip,
        _VICLIP_FACTS,
        heads_by_64=True,
    ),
    Format(
        'Hugging Face CLIP',
        'CLIP',
        ('vision_model.embeddings.patch_embedding.weight', 'visual_projection.weight'),
        from_hf,
        hugging_face=True,
    ),
    Format(
        "OpenAI's own CLIP file",
        'CLIP',
        # Numbers that OpenAI's archives hold beside the weights, and no other file does.
        (*_CLIP_MARKS, 'input_resolution', 'vocab_size'),
        from_openai,
        _OPENAI_FACTS,
        heads_by_64=True,
        firm=True,
    ),
    Format("CLIP with OpenAI's key names (OpenAI or OpenCLIP)", 'CLIP', _CLIP_MARKS, from_openai),
    Format(
        'OpenCLIP with a text tower of its own (CustomTextCLIP)',
        'CLIP',
        ('visual.conv1.weight', 'text.token_embedding.weight', 'logit_scale'),
        from_custom_text,
    ),
)


def strip_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the ``module.`` that DataParallel puts before every key."""
    if state and all(key.startswith('module.') for key in state):
        return {key.removeprefix('module.'): value for key, value in state.items()}
    return dict(state)


def detect_format(state: Mapping[str, Tensor]) -> Format:
    """Which family a state dict belongs to, by its keys."""
    refuse_foreign(state)
    for known in FORMATS:
        if all(mark in state for mark in known.marks):
            return known
    found = ', '.join(sorted(state)[:5]) or 'nothing'
    expected = '; '.join(f'{f.name}: {", ".join(f.marks)}' for f in FORMATS)
    raise FoundationError(
        f'not a video-language foundation model that is known here. It holds {len(state)} tensors '
        f'({found}, ...); expected are the keys of one of: {expected}'
    )
