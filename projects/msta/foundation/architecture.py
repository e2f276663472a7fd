"""Architectures of the foundation models, as data."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ..spelling import did_you_mean
from ..tokenizer import VOCAB_SIZE

# OpenAI's CLIP was trained with its own pixel statistics, ViCLIP with ImageNet's (on a 0..1 scale).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

KINDS = ('ViCLIP', 'CLIP')
ACTIVATIONS = ('quick_gelu', 'gelu')


class FoundationError(ValueError):
    """A foundation model cannot be built or read as asked."""


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shape and meaning of a two-tower model.

    ``kind`` is ``'ViCLIP'`` (joint space-time attention over all patches of a clip, one CLS a clip)
    or ``'CLIP'`` (one sequence a frame, mean over frames). ``num_frames`` is the length of
    ViCLIP's temporal embedding; for CLIP it only says how many frames a clip usually has.
    """

    kind: str
    embed_dim: int
    image_size: int
    patch_size: int
    width: int
    layers: int
    heads: int
    text_width: int
    text_layers: int
    text_heads: int
    context_length: int
    vocab_size: int = VOCAB_SIZE
    num_frames: int = 8
    activation: str = 'quick_gelu'

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            hint = did_you_mean(self.kind, KINDS)
            raise FoundationError(f'foundation type {self.kind!r} is not one of {KINDS}{hint}')
        if self.activation not in ACTIVATIONS:
            raise FoundationError(f'activation {self.activation!r} is not one of {ACTIVATIONS}')
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                raise FoundationError(f'architecture: {field.name}={value} must be at least 1')
        if self.image_size % self.patch_size:
            raise FoundationError(
                f'architecture: image_size={self.image_size} is not a multiple of '
                f'patch_size={self.patch_size}'
            )
        for width, heads, tower in (
            (self.width, self.heads, 'video'),
            (self.text_width, self.text_heads, 'text'),
        ):
            if width % heads:
                raise FoundationError(
                    f'architecture: the {tower} tower of width {width} cannot be split evenly over '
                    f'{heads} heads'
                )

    @property
    def mean(self) -> tuple[float, float, float]:
        return IMAGENET_MEAN if self.kind == 'ViCLIP' else CLIP_MEAN

    @property
    def std(self) -> tuple[float, float, float]:
        return IMAGENET_STD if self.kind == 'ViCLIP' else CLIP_STD

    def differences(self, other: Architecture) -> list[str]:
        """Fields in which two architectures differ, as ``'field: mine != theirs'``."""
        return [
            f'{f.name}: {getattr(self, f.name)} != {getattr(other, f.name)}'
            for f in fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]


def heads_for(width: int) -> int:
    """Heads of a tower whose file does not say: CLIP's rule is 64 channels a head."""
    return max(1, width // 64)


_B16 = Architecture('CLIP', 512, 224, 16, 768, 12, 12, 512, 12, 8, 77)
_L14 = Architecture('CLIP', 768, 224, 14, 1024, 24, 16, 768, 12, 12, 77)

PRESETS: dict[tuple[str, str], Architecture] = {
    ('CLIP', 'b16'): _B16,
    ('CLIP', 'b32'): replace(_B16, patch_size=32),
    ('CLIP', 'l14'): _L14,
    ('ViCLIP', 'b16'): replace(_B16, kind='ViCLIP', context_length=32),
    ('ViCLIP', 'l14'): replace(_L14, kind='ViCLIP', context_length=32),
}


def resolve_architecture(kind: str, arch: str | dict[str, Any]) -> Architecture:
    """The architecture that a config names (``'b16'``) or spells out (a dict of fields)."""
    if isinstance(arch, str):
        if (kind, arch) not in PRESETS:
            known = [f'{k} {a}' for k, a in PRESETS]
            raise FoundationError(
                f'no preset {kind!r} {arch!r}{did_you_mean(f"{kind} {arch}", known)}; the presets '
                f'are: {", ".join(known)}'
            )
        return PRESETS[kind, arch]
    known_fields = {f.name for f in fields(Architecture)} - {'kind'}
    unknown = sorted(set(arch) - known_fields)
    if unknown:
        raise FoundationError(
            f'unknown architecture field(s) {unknown}{did_you_mean(unknown[0], known_fields)}; the '
            f'fields are {sorted(known_fields)}'
        )
    try:
        return Architecture(kind=kind, **arch)
    except TypeError as error:
        raise FoundationError(f'incomplete architecture: {error}') from error
