"""Published foundation weights: where to fetch them, and what is known of a model by its sizes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from .facts import OPEN_FACTS
from .presets import PRESETS, preset_of

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


KNOWN_WEIGHTS: dict[str, WeightInfo] = {}
_PREFIX = {'ViCLIP': 'viclip', 'CLIP': 'clip', 'PerceptionEncoder': 'pe_core', 'SigLIP': 'siglip'}


def _published(kind: str, file: str, source: str, licence: str, note: str, **names: str) -> None:
    """Note a family's files: ``names`` of presets to what stands for ``{}`` in the texts."""
    for arch, name in names.items():
        texts = (text.format(name) for text in (source, licence, note))
        KNOWN_WEIGHTS[f'{_PREFIX[kind]}_{arch}'] = WeightInfo(file.format(name), kind, arch, *texts)


_published(
    'ViCLIP', 'ViCLIP-{}_InternVid-FLT-10M.pth', 'https://huggingface.co/OpenGVLab/ViCLIP',
    'see the model page; the InternVid data are CC BY-NC-SA 4.0',
    'ViCLIP-{} trained on InternVid-10M-FLT; ImageNet pixel statistics', b16='B', l14='L',
)  # fmt: skip
_published(
    'CLIP', 'ViT-{}.pt',
    'https://github.com/openai/CLIP (the download address is in clip/clip.py, `_MODELS`)', 'MIT',
    'OpenAI CLIP ViT-{}', b16='B-16', b32='B-32', l14='L-14',
)  # fmt: skip
_published(
    'PerceptionEncoder', 'PE-Core-{}.pt', 'https://huggingface.co/facebook/PE-Core-{}',
    'Apache-2.0', 'Perception Encoder PE-Core-{}; squashed frames',
    t16='T16-384', s16='S16-384', b16='B16-224', l14='L14-336', g14='G14-448',
)  # fmt: skip
_published(
    'SigLIP', '{}', 'https://huggingface.co/google/{}', 'Apache-2.0',
    'the folder of {}: model.safetensors, config.json, preprocessor_config.json, tokenizer.json, '
    'tokenizer_config.json',
    b16='siglip-base-patch16-224', l16_256='siglip-large-patch16-256',
    so400m14='siglip-so400m-patch14-224', v2_b16='siglip2-base-patch16-224',
    v2_l16_256='siglip2-large-patch16-256', v2_so400m14='siglip2-so400m-patch14-224',
    v2_so400m16_256='siglip2-so400m-patch16-256',
)  # fmt: skip
_published(
    'CLIP', 'longclip-{}.pt', 'https://huggingface.co/BeichenZhang/LongCLIP-{}',
    'see the model page; tuned from OpenAI CLIP (MIT)',
    'Long-CLIP-{}: texts of up to 248 tokens', long_b16='B', long_l14='L',
)  # fmt: skip
_published(
    'CLIP', 'Open-VCLIP-{}.pth',
    'https://github.com/wengzejia1/Open-VCLIP (the link under "Checkpoint")',
    'none stated; tuned from OpenAI CLIP (MIT)',
    'Open-VCLIP-{}: frames attend to their neighbours; save it under this name',
    open_vclip_b16='B16', open_vclip_b32='B32', open_vclip_l14='L14',
)  # fmt: skip


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
    (14, 1024, 24, 768, 12, 768): KnownModel('ViT-L/14', 16, 12, {
        (224, 'quick_gelu'): _VIEWS, (336, 'quick_gelu'): _VIEWS, (224, 'gelu'): _STATISTICS_DIFFER,
    }),
    (14, 1280, 32, 1024, 24, 1024): KnownModel('ViT-H/14', 16, 16, {
        **_GELU, (224, 'quick_gelu'): _RESIZE_DIFFERS, (378, 'quick_gelu'): _SQUASHED,
    }),
    (14, 1408, 40, 1024, 24, 1024): KnownModel('ViT-g/14', 16, 16, _GELU),
    (14, 1664, 48, 1280, 32, 1280): KnownModel('ViT-bigG/14', 16, 20, _BOTH),
}  # fmt: skip
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
        kind: its family.
        sizes: what its tensors show.
        said: what else is said of it: views are known where the activation is.
        state: its tensors, by our names.
    """
    ours = _OURS.get(mark_of(state))
    if ours is not None:
        return 'the table of published models', dict(ours)
    if kind != 'CLIP':
        return _preset_facts(kind, sizes)
    known = KNOWN_CLIPS.get(tuple(sizes[name] for name in _SIZES))
    if known is None or sizes['vocab_size'] != _OPENAI.vocab_size:
        return 'the table of published models', {}
    facts = {name: getattr(_OPENAI, name) for name in _SAME_IN_ALL}
    facts |= {'heads': known.heads, 'text_heads': known.text_heads}
    if said.get('activation') == said.get('text_activation'):
        facts |= known.views.get((sizes['image_size'], str(said.get('activation'))), {})
    return f'the table of published models ({known.name})', facts


def _preset_facts(kind: str, sizes: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Facts of a family of which no two published models with the same sizes differ."""
    name = preset_of(kind, sizes)
    if name is None:
        return 'the table of published models', {}
    facts = {fact: getattr(PRESETS[kind, name], fact) for fact in OPEN_FACTS}
    return f'the table of published models ({kind} {name})', facts


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
