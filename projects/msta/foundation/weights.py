"""The foundation weights a user can fetch: file, source, licence, and where to put them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

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


def describe_missing(path: str | Path, kind: str, arch: object) -> str:
    """What to fetch, and where to put it, when the foundation weights at ``path`` are not there."""
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
