"""Published foundation weights: where to fetch them, and what is known of a model by its sizes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from .facts import OPEN_FACTS
from .presets import PRESETS

FOUNDATION_DIR = Path(__file__).resolve().parents[3] / 'data' / 'foundation'
TINY_SHAPES = Path(__file__).resolve().parents[1] / 'data' / 'viclip_tiny_shapes.safetensors'


class WeightInfo(NamedTuple):
    """A published weight file, what it is, and whose terms it comes under."""

    file: str
    kind: str
    arch: str
    source: str
    licence: str
    note: str


_CLIP_SOURCE = 'https://github.com/openai/CLIP (the download address is in clip/clip.py, `_MODELS`)'
_VICLIP_SOURCE = 'https://huggingface.co/OpenGVLab/ViCLIP'

KNOWN_WEIGHTS: dict[str, WeightInfo] = {
    'viclip_b16': WeightInfo(
        'ViCLIP-B_InternVid-FLT-10M.pth',
        'ViCLIP',
        'b16',
        _VICLIP_SOURCE,
        'see the model page; the InternVid data are CC BY-NC-SA 4.0',
        'ViCLIP-B/16 trained on InternVid-10M-FLT; ImageNet pixel statistics',
    ),
    'viclip_l14': WeightInfo(
        'ViCLIP-L_InternVid-FLT-10M.pth',
        'ViCLIP',
        'l14',
        _VICLIP_SOURCE,
        'see the model page; the InternVid data are CC BY-NC-SA 4.0',
        'ViCLIP-L/14 trained on InternVid-10M-FLT; ImageNet pixel statistics',
    ),
    'clip_b16': WeightInfo(
        'ViT-B-16.pt', 'CLIP', 'b16', _CLIP_SOURCE, 'MIT', 'OpenAI CLIP ViT-B/16'
    ),
    'clip_b32': WeightInfo(
        'ViT-B-32.pt', 'CLIP', 'b32', _CLIP_SOURCE, 'MIT', 'OpenAI CLIP ViT-B/32'
    ),
    'clip_l14': WeightInfo(
        'ViT-L-14.pt', 'CLIP', 'l14', _CLIP_SOURCE, 'MIT', 'OpenAI CLIP ViT-L/14'
    ),
}


def _perception(arch: str, name: str) -> WeightInfo:
    return WeightInfo(
        f'PE-Core-{name}.pt',
        'PerceptionEncoder',
        arch,
        f'https://huggingface.co/facebook/PE-Core-{name}',
        'Apache-2.0',
        f'Perception Encoder PE-Core-{name}; squashed frames',
    )


def _siglip(arch: str, name: str) -> WeightInfo:
    return WeightInfo(
        name,
        'SigLIP',
        arch,
        f'https://huggingface.co/google/{name}',
        'Apache-2.0',
        f'the folder of {name}: model.safetensors, config.json, preprocessor_config.json, '
        'tokenizer.json, tokenizer_config.json',
    )


def _long_clip(arch: str, name: str) -> WeightInfo:
    return WeightInfo(
        f'longclip-{name}.pt',
        'CLIP',
        arch,
        f'https://huggingface.co/BeichenZhang/LongCLIP-{name}',
        'see the model page; tuned from OpenAI CLIP (MIT)',
        f'Long-CLIP-{name}: texts of up to 248 tokens',
    )


KNOWN_WEIGHTS |= {
    f'pe_core_{arch}': _perception(arch, name)
    for arch, name in (
        ('t16', 'T16-384'), ('s16', 'S16-384'), ('b16', 'B16-224'), ('l14', 'L14-336'),
        ('g14', 'G14-448'),
    )
}  # fmt: skip
KNOWN_WEIGHTS |= {
    f'siglip_{arch}': _siglip(arch, name)
    for arch, name in (
        ('b16', 'siglip-base-patch16-224'), ('l16_256', 'siglip-large-patch16-256'),
        ('so400m14', 'siglip-so400m-patch14-224'), ('v2_b16', 'siglip2-base-patch16-224'),
        ('v2_l16_256', 'siglip2-large-patch16-256'),
        ('v2_so400m14', 'siglip2-so400m-patch14-224'),
        ('v2_so400m16_256', 'siglip2-so400m-patch16-256'),
    )
}  # fmt: skip
KNOWN_WEIGHTS |= {
    f'clip_{arch}': _long_clip(arch, name) for arch, name in (('long_b16', 'B'), ('long_l14', 'L'))
}

KNOWN_WEIGHTS |= {
    f'clip_open_vclip_{arch}': WeightInfo(
        f'Open-VCLIP-{name}.pth',
        'CLIP',
        f'open_vclip_{arch}',
        'https://github.com/wengzejia1/Open-VCLIP (the link under "Checkpoint")',
        'none stated; tuned from OpenAI CLIP (MIT)',
        f'Open-VCLIP-{name}: frames attend to their neighbours; save it under this name',
    )
    for arch, name in (('b16', 'B16'), ('b32', 'B32'), ('l14', 'L14'))
}


class KnownModel(NamedTuple):
    """A published CLIP, known by its sizes: its heads, and the views of its releases.

    ``views``: image size and activation -> what its pixels are made ready by. An activation that
    is missing was not published; a view that is missing differs between its releases.
    """

    name: str
    heads: int
    text_heads: int
    views: Mapping[tuple[int, str], Mapping[str, Any]]


_OPENAI = PRESETS['CLIP', 'b16']
_VIEWS = {name: getattr(_OPENAI, name) for name in ('mean', 'std', 'resize', 'interpolation')}
_SQUASHED = {**_VIEWS, 'resize': 'squash'}
# LAION-2B's ViT-L/14 has other pixel statistics than the others (0.5), DFN-5B's ViT-H/14 squashes.
_STATISTICS_DIFFER = {name: _VIEWS[name] for name in ('resize', 'interpolation')}
_RESIZE_DIFFERS = {name: _VIEWS[name] for name in ('mean', 'std', 'interpolation')}
_BOTH = {(224, 'quick_gelu'): _VIEWS, (224, 'gelu'): _VIEWS}
_GELU = {(224, 'gelu'): _VIEWS}

# (patch, width, layers, text width, text layers, embedding) -> model; all of CLIP's 49,408 tokens.
# Source: model_configs/*.json and pretrained.py of mlfoundations/open_clip 3.3.
KNOWN_CLIPS: dict[tuple[int, ...], KnownModel] = {
    (32, 768, 12, 512, 12, 512): KnownModel('ViT-B/32', 12, 8, {**_BOTH, (256, 'gelu'): _VIEWS}),
    (16, 768, 12, 512, 12, 512): KnownModel('ViT-B/16', 12, 8, _BOTH),
    (16, 896, 12, 640, 12, 640): KnownModel('ViT-B/16-plus', 14, 10, {(240, 'gelu'): _VIEWS}),
    (14, 1024, 24, 768, 12, 768): KnownModel(
        'ViT-L/14',
        16,
        12,
        {
            (224, 'quick_gelu'): _VIEWS,
            (336, 'quick_gelu'): _VIEWS,
            (224, 'gelu'): _STATISTICS_DIFFER,
        },
    ),
    (14, 1280, 32, 1024, 24, 1024): KnownModel(
        'ViT-H/14',
        16,
        16,
        {
            **_GELU,
            (224, 'quick_gelu'): _RESIZE_DIFFERS,
            (378, 'quick_gelu'): _SQUASHED,
        },
    ),
    (14, 1408, 40, 1024, 24, 1024): KnownModel('ViT-g/14', 16, 16, _GELU),
    (14, 1664, 48, 1280, 32, 1280): KnownModel('ViT-bigG/14', 16, 20, _BOTH),
}
_SIZES = ('patch_size', 'width', 'layers', 'text_width', 'text_layers', 'embed_dim')
_SAME_IN_ALL = (
    'norm_eps', 'text_norm_eps', 'pooling', 'text_pooling', 'causal', 'tokenizer',
    'frame_attention',
)  # fmt: skip

# Models of this project by a hash of one small tensor, float32: what their file does not say.
_OURS = {
    # viclip_tiny_shapes.safetensors: square videos, scaled to 36 pixels.
    '9bc155b12c32c29d': {'resize': 'squash'},
}


def known_facts(
    kind: str, sizes: Mapping[str, Any], said: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[str, dict[str, Any]]:
    """What is known of a published model: its name and facts.

    Args:
        kind: ViCLIP or CLIP, which have the same sizes.
        sizes: what its tensors show.
        said: what else is said of it: views are known where the activation is.
        state: its tensors, by our names.
    """
    ours = _OURS.get(mark_of(state))
    if ours is not None:
        return 'the table of published models', dict(ours)
    if kind in ('PerceptionEncoder', 'SigLIP'):
        return _preset_facts(kind, sizes)
    known = KNOWN_CLIPS.get(tuple(sizes[name] for name in _SIZES))
    if known is None or (kind, sizes['vocab_size']) != ('CLIP', _OPENAI.vocab_size):
        return 'the table of published models', {}
    facts = {name: getattr(_OPENAI, name) for name in _SAME_IN_ALL}
    facts |= {'heads': known.heads, 'text_heads': known.text_heads}
    if said.get('activation') == said.get('text_activation'):
        facts |= known.views.get((sizes['image_size'], str(said.get('activation'))), {})
    return f'the table of published models ({known.name})', facts


def _preset_facts(kind: str, sizes: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Facts of a family of which no two published models with the same sizes differ."""
    for (of_kind, name), arch in PRESETS.items():
        if of_kind == kind and all(getattr(arch, field) == v for field, v in sizes.items()):
            facts = {fact: getattr(arch, fact) for fact in OPEN_FACTS}
            return f'the table of published models ({kind} {name})', facts
    return 'the table of published models', {}


def mark_of(state: Mapping[str, Tensor]) -> str:
    """Return a hash of one small tensor, that tells a trained model from all others."""
    weight = state['text.ln_final.weight'].detach().float().cpu().contiguous()
    return hashlib.blake2b(weight.numpy().data, digest_size=8).hexdigest()


def describe_missing(path: str | Path, kind: str, arch: object) -> str:
    """What to fetch, and where to put it, when the foundation weights at ``path`` are not there."""
    path = os.path.normpath(path)
    lines = [f'foundation weights not found: {path}']
    for info in KNOWN_WEIGHTS.values():
        if (info.kind, info.arch) == (kind, arch):
            lines.append(f'  fetch {info.file} ({info.note}; licence: {info.licence})')
            lines.append(f'  from  {info.source}')
            lines.append(f'  and put it at {path},')
    lines.append('  or name another file: --cfg-options model.backbone.foundation.checkpoint=FILE')
    lines.append(
        '  (model.backbone.foundation.checkpoint=None trains on random weights: for trials only)'
    )
    return '\n'.join(lines)
