"""The architectures of published models, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ..spelling import did_you_mean
from .architecture import Architecture, FoundationError


def _presets(kind: str, context_length: int, interpolation: str) -> dict[str, Architecture]:
    # As published: short side and crop; OpenAI's images bicubic, the videos of ViCLIP bilinear.
    b16 = Architecture(
        kind, 512, 224, 16, 768, 12, 12, 512, 12, 8, context_length,
        resize='shortest', interpolation=interpolation,
    )  # fmt: skip
    l14 = replace(
        b16, embed_dim=768, patch_size=14, width=1024, layers=24, heads=16, text_width=768,
        text_heads=12,
    )  # fmt: skip
    return {'b16': b16, 'b32': replace(b16, patch_size=32), 'l14': l14}


PRESETS = {('CLIP', name): arch for name, arch in _presets('CLIP', 77, 'bicubic').items()}
PRESETS |= {('ViCLIP', name): arch for name, arch in _presets('ViCLIP', 32, 'bilinear').items()}
del PRESETS['ViCLIP', 'b32']  # was never published
# Long-CLIP (beichenzbc/Long-CLIP): CLIP with room for long texts.
PRESETS |= {
    ('CLIP', f'long_{name}'): replace(PRESETS['CLIP', name], context_length=248)
    for name in ('b16', 'l14')
}

# Open-VCLIP (wengzejia1/Open-VCLIP): CLIP whose frames attend to their neighbours; it averages the
# scores of frames, which is the mean of their normalised embeddings.
PRESETS |= {
    ('CLIP', f'open_vclip_{name}'): replace(
        PRESETS['CLIP', name], frame_attention='neighbours', frame_mean='normalised'
    )
    for name in ('b16', 'b32', 'l14')
}

# What the code of a family fixes: for architectures that are spelt out, and for weight files, whose
# tensors show none of it. perception_models/core/vision_encoder/{pe,config}.py and transforms.py;
# big_vision/models/vit.py and transformers' modeling_siglip.py.
FAMILIES: dict[str, dict[str, Any]] = {
    'ViCLIP': {},
    'CLIP': {},
    'PerceptionEncoder': dict(
        activation='gelu', pooling='attention', pool_heads=8, rope=True,
        position_resize='bilinear', frame_mean='normalised', resize='squash',
        interpolation='bilinear',
    ),
    'SigLIP': dict(
        activation='gelu_tanh', norm_eps=1e-6, text_norm_eps=1e-6, pooling='attention',
        text_pooling='last', causal=False, class_token=False, ln_pre=False, patch_bias=True,
        projection=False, text_proj_bias=True, logit_bias=True, resize='squash',
    ),
}  # fmt: skip


def code_fields(kind: str) -> dict[str, Any]:
    """What a family's code fixes and no file says otherwise."""
    names = ('rope', 'position_resize', 'pool_heads', 'frame_mean')
    return {name: FAMILIES[kind][name] for name in names if name in FAMILIES[kind]}


def _siblings(
    kind: str, base: Architecture, **others: dict[str, Any]
) -> dict[tuple[str, str], Architecture]:
    return {(kind, name): replace(base, **changes) for name, changes in others.items()}


# perception_models/core/vision_encoder/config.py
_PE_B16 = Architecture(
    'PerceptionEncoder', 1024, 224, 16, 768, 12, 12, 1024, 24, 16, 32,
    **FAMILIES['PerceptionEncoder'],
)  # fmt: skip
_SMALL_TEXT = dict(embed_dim=512, image_size=384, text_width=512, text_layers=12, text_heads=8)
PRESETS |= _siblings(
    'PerceptionEncoder',
    _PE_B16,
    t16=dict(width=192, heads=3, **_SMALL_TEXT),
    s16=dict(width=384, heads=6, **_SMALL_TEXT),
    b16={},
    l14=dict(image_size=336, patch_size=14, width=1024, layers=24, heads=16),
    g14=dict(
        embed_dim=1280, image_size=448, patch_size=14, width=1536, layers=50, heads=16,
        mlp_ratio=8960 / 1536, class_token=False, text_width=1280, text_heads=20,
        context_length=72,
    ),
)  # fmt: skip
# config.json and preprocessor_config.json of google/siglip-* and google/siglip2-*
_SIGLIP_B16 = Architecture(
    'SigLIP', 768, 224, 16, 768, 12, 12, 768, 12, 12, 64, vocab_size=32000, tokenizer='siglip',
    interpolation='bicubic', **FAMILIES['SigLIP'],
)  # fmt: skip
_V2 = dict(vocab_size=256000, tokenizer='siglip2', interpolation='bilinear')
_LARGE = dict(
    image_size=256, embed_dim=1024, width=1024, layers=24, heads=16, text_width=1024,
    text_layers=24, text_heads=16,
)  # fmt: skip
_SO400M = dict(
    embed_dim=1152, width=1152, layers=27, heads=16, mlp_ratio=4304 / 1152,
    pool_mlp_ratio=4304 / 1152, text_width=1152, text_layers=27, text_heads=16,
    text_mlp_ratio=4304 / 1152,
)  # fmt: skip
PRESETS |= _siblings(
    'SigLIP',
    _SIGLIP_B16,
    b16={},
    l16_256=_LARGE,
    so400m14=dict(patch_size=14, **_SO400M),
    v2_b16=_V2,
    v2_l16_256={**_V2, **_LARGE},
    v2_so400m14={**_V2, **_SO400M, 'patch_size': 14},
    v2_so400m16_256={**_V2, **_SO400M, 'image_size': 256},
)


def resolve_architecture(kind: str, arch: str | dict[str, Any], **changes: Any) -> Architecture:
    """Return the architecture that a config names (``'b16'``) or spells out (a dict of fields).

    ``changes``: fields that differ from it; ``activation`` is for both towers unless
    ``text_activation`` is there too, and so is ``norm_eps``.
    """
    changes = for_both_towers(changes)
    if isinstance(arch, str):
        if (kind, arch) not in PRESETS:
            known = [f'{k} {a}' for k, a in PRESETS]
            raise FoundationError(
                f'no preset {kind!r} {arch!r}{did_you_mean(f"{kind} {arch}", known)}; the presets '
                f'are: {", ".join(known)}'
            )
        _check_fields(changes)
        return replace(PRESETS[kind, arch], **changes)
    arch = {**for_both_towers(arch), **changes}
    _check_fields(arch)
    arch = {**FAMILIES.get(kind, {}), **arch}
    try:
        return Architecture(kind=kind, **arch)
    except TypeError as error:
        raise FoundationError(f'incomplete architecture: {error}') from error


def preset_of(kind: str, sizes: Mapping[str, Any]) -> str | None:
    """The name of the preset with these fields; the first of several."""
    for (of_kind, name), arch in PRESETS.items():
        if of_kind == kind and all(getattr(arch, field) == v for field, v in sizes.items()):
            return name
    return None


def for_both_towers(said: dict[str, Any]) -> dict[str, Any]:
    """Say of the text tower what is said of the video tower alone: activation and epsilon."""
    both = {f'text_{name}': said[name] for name in ('activation', 'norm_eps') if name in said}
    return {**both, **said}


def _check_fields(said: dict[str, Any]) -> None:
    known_fields = {f.name for f in fields(Architecture)} - {'kind'}
    unknown = sorted(set(said) - known_fields)
    if unknown:
        raise FoundationError(
            f'unknown architecture field(s) {unknown}{did_you_mean(unknown[0], known_fields)}; the '
            f'fields are {sorted(known_fields)}'
        )
