"""Image towers of timm that OpenCLIP's configs name, as fields of an architecture."""

from __future__ import annotations

import re
from typing import Any

from .presets import PRESETS

# timm's names of the same towers: timm/models/eva.py.
_PERCEPTION = {
    'vit_pe_core_tiny_patch16_384': 't16', 'vit_pe_core_small_patch16_384': 's16',
    'vit_pe_core_base_patch16_224': 'b16', 'vit_pe_core_large_patch14_336': 'l14',
    'vit_pe_core_gigantic_patch14_448': 'g14',
}  # fmt: skip
# timm/models/vision_transformer.py. All but the last two have the exact GELU there.
_SIGLIP = re.compile(r'vit_(base|large|so400m|giantopt)_patch(14|16|32)_siglip_(\d+)')
_SIGLIP_SIZES = {
    'base': (768, 12, 12), 'large': (1024, 24, 16), 'so400m': (1152, 27, 16),
    'giantopt': (1536, 40, 16),
}  # fmt: skip
_TANH = ('vit_so400m_patch16_siglip', 'vit_giantopt_patch16_siglip')


def tower_of_timm(name: str) -> dict[str, Any] | None:
    """Return the image tower's fields; None for a tower that is not computed here."""
    if name in _PERCEPTION:
        arch = PRESETS['PerceptionEncoder', _PERCEPTION[name]]
        fields = ('width', 'layers', 'heads', 'mlp_ratio', 'image_size', 'patch_size',
                  'activation', 'norm_eps', 'pooling')  # fmt: skip
        return {field: getattr(arch, field) for field in fields}
    match = _SIGLIP.fullmatch(name)
    if match is None or int(match[3]) % int(match[2]):
        return None
    width, layers, heads = _SIGLIP_SIZES[match[1]]
    return {
        'width': width,
        'layers': layers,
        'heads': heads,
        'image_size': int(match[3]),
        'patch_size': int(match[2]),
        'activation': 'gelu_tanh' if name.startswith(_TANH) else 'gelu',
        'norm_eps': 1e-6,
        'pooling': 'attention',
    }
