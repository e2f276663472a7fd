"""Foreign checkpoints -> our names: pure ``dict -> dict`` functions with key tables.

Nothing here touches a file or a model. Keys that no table explains are left to the caller, who
refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from ..architecture import FoundationError
from ..facts import OPEN_FACTS
from ..presets import PRESETS
from .foreign import refuse_foreign
from .hf import from_hf
from .keys import StateDict
from .openai import from_custom_text, from_long_clip, from_openai, from_slowfast, from_vifi
from .timm import from_timm
from .viclip import from_viclip, to_viclip

__all__ = ['FORMATS', 'Format', 'detect_format', 'strip_wrappers', 'to_viclip']


class Format(NamedTuple):
    """A family of checkpoints: how its keys tell it apart, and how it is converted.

    ``facts`` of all models of the family, known from the code they come with, and so are heads of
    64 channels (``heads_by_64``). ``firm`` where nothing else may be said. ``hugging_face``: the
    configs that lie beside it are of that form. ``fields`` beside the facts that its code fixes.
    ``asks``: facts in which models of the same sizes differ, so that no table says them.
    """

    name: str
    kind: str
    marks: tuple[str, ...]
    convert: Callable[[Mapping[str, Tensor]], StateDict]
    facts: Mapping[str, Any] = {}
    heads_by_64: bool = False
    firm: bool = False
    hugging_face: bool = False
    fields: Mapping[str, Any] = {}
    asks: tuple[str, ...] = ()

    def said(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """What the family says of a model of these sizes."""
        heads = {name: max(1, sizes[width] // 64) for name, width in HEADS.items()}
        return {**self.facts, **(heads if self.heads_by_64 else {})}


HEADS = {'heads': 'width', 'text_heads': 'text_width'}


def _of_all_sizes(kind: str) -> dict[str, Any]:
    arch = PRESETS[kind, 'b16']
    return {name: getattr(arch, name) for name in OPEN_FACTS if name not in HEADS}


# clip/model.py and clip.py of openai/CLIP; viclip.py, viclip_vision.py, viclip_text.py and the demo
# of OpenGVLab/InternVideo (ViCLIP). OpenAI's builds all towers with 64 channels a head.
_OPENAI_FACTS = _of_all_sizes('CLIP')
_VICLIP_FACTS = _of_all_sizes('ViCLIP')
# What is the same in all of them: modeling_siglip.py of transformers.
_SIGLIP_FACTS = {
    'pooling': 'attention', 'text_pooling': 'last', 'causal': False, 'frame_attention': 'own',
}  # fmt: skip
_PERCEPTION_FACTS = _of_all_sizes('PerceptionEncoder')
_TEXT_MARKS = ('text.token_embedding.weight', 'logit_scale')
_CLIP_MARKS = ('visual.conv1.weight', 'token_embedding.weight', 'text_projection', 'logit_scale')

FORMATS = (
    Format(
        'ViFi-CLIP', 'CLIP',
        ('image_encoder.conv1.weight', 'text_encoder.ln_final.weight', 'logit_scale'),
        from_vifi, _OPENAI_FACTS, heads_by_64=True,
    ),
    Format(
        'CLIP in a checkpoint of SlowFast (Open-VCLIP, FROSTER)', 'CLIP',
        tuple(f'model.{mark}' for mark in _CLIP_MARKS), from_slowfast,
        {name: value for name, value in _OPENAI_FACTS.items() if name != 'frame_attention'},
        heads_by_64=True, fields={'frame_mean': 'normalised'}, asks=('frame_attention',),
    ),
    Format(
        'ViCLIP', 'ViCLIP',
        ('vision_encoder.conv1.weight', 'text_encoder.token_embedding.weight', 'temp'),
        from_viclip, _VICLIP_FACTS,
    ),
    Format(
        'Hugging Face CLIP', 'CLIP',
        ('vision_model.embeddings.patch_embedding.weight', 'visual_projection.weight'),
        from_hf, hugging_face=True,
    ),
    Format(
        'Hugging Face SigLIP', 'SigLIP',
        ('vision_model.head.probe', 'text_model.head.weight', 'logit_bias'),
        from_hf, _SIGLIP_FACTS, hugging_face=True,
    ),
    Format(
        'Perception Encoder (PE-Core)', 'PerceptionEncoder',
        (*_CLIP_MARKS, 'visual.attn_pool.probe'), from_openai, _PERCEPTION_FACTS, firm=True,
    ),
    Format(
        'Perception Encoder, as OpenCLIP and timm keep it', 'PerceptionEncoder',
        ('visual.trunk.attn_pool.latent', 'visual.trunk.norm_pre.weight', *_TEXT_MARKS),
        from_timm, _PERCEPTION_FACTS,
    ),
    Format(
        'SigLIP, as OpenCLIP and timm keep it', 'SigLIP',
        ('visual.trunk.attn_pool.latent', 'logit_bias', *_TEXT_MARKS),
        from_timm, {'pooling': 'attention', 'frame_attention': 'own'},
    ),
    Format(
        'Long-CLIP', 'CLIP', (*_CLIP_MARKS, 'positional_embedding_res'),
        from_long_clip, _OPENAI_FACTS, heads_by_64=True,
    ),
    Format(
        # Numbers that OpenAI's archives hold beside the weights, and no other file does.
        "OpenAI's own CLIP file", 'CLIP', (*_CLIP_MARKS, 'input_resolution', 'vocab_size'),
        from_openai, _OPENAI_FACTS, heads_by_64=True, firm=True,
    ),
    Format("CLIP with OpenAI's key names (OpenAI or OpenCLIP)", 'CLIP', _CLIP_MARKS, from_openai),
    Format(
        'OpenCLIP with a text tower of its own (CustomTextCLIP)', 'CLIP',
        ('visual.conv1.weight', *_TEXT_MARKS), from_custom_text,
    ),
)  # fmt: skip


def strip_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop what a wrapper puts before every key: the ``module.`` of DataParallel, the name of the
    attribute that holds the model. ``model.`` stays: it tells the checkpoints of SlowFast.
    """
    state = _without('module.', state)
    for mark in ('visual.conv1.weight', 'vision_model.embeddings.patch_embedding.weight'):
        prefix = next((key.removesuffix(mark) for key in state if key.endswith(f'.{mark}')), '')
        if prefix not in ('', 'model.'):
            state = _without(prefix, state)
    return dict(state)


def _without(prefix: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if not state or not all(key.startswith(prefix) for key in state):
        return state
    return {key.removeprefix(prefix): value for key, value in state.items()}


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
