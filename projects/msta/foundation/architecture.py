"""Architectures of the foundation models, as data."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ..spelling import did_you_mean
from ..tokenizer import VOCAB_SIZE

Colour = tuple[float, float, float]

# OpenAI's CLIP was trained with its own pixel statistics, ViCLIP with ImageNet's (on a 0..1 scale).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_STATISTICS = {'ViCLIP': (IMAGENET_MEAN, IMAGENET_STD), 'CLIP': (CLIP_MEAN, CLIP_STD)}

KINDS = tuple(_STATISTICS)
# What a field that names something may say: all that the towers can compute.
CHOICES: dict[str, tuple[Any, ...]] = {
    'activation': ('quick_gelu', 'gelu', 'gelu_tanh'),
    'text_activation': ('quick_gelu', 'gelu', 'gelu_tanh'),
    'pooling': ('cls',),
    'text_pooling': ('argmax',),
    'causal': (True,),
    'tokenizer': ('clip',),
    'resize': ('shortest', 'squash'),
    'interpolation': ('bicubic', 'bilinear', 'nearest', 'area', 'lanczos'),
}
# How frames are made ready changes no computation of the towers.
VIEW_FIELDS = ('resize', 'interpolation')


class FoundationError(ValueError):
    """A foundation model cannot be built or read as asked."""


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shape and meaning of a two-tower model.

    ``kind`` is ``'ViCLIP'`` (joint space-time attention over all patches of a clip, one CLS a clip)
    or ``'CLIP'`` (one sequence a frame, mean over frames). ``num_frames`` is the length of
    ViCLIP's temporal embedding; for CLIP it only says how many frames a clip usually has.
    ``pooling``: the row that a tower's embedding is read from; ``'argmax'`` is the largest token
    id, CLIP's end of text. ``mean``, ``std``: pixel statistics on a 0..1 scale, by default those of
    the kind's first publication. ``resize``: ``'shortest'`` scales the short side and crops,
    ``'squash'`` scales both sides to the image size; None where nobody has said, as for
    ``interpolation``. ``text_activation`` is by default the video tower's.
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
    text_activation: str = ''
    mlp_ratio: float = 4.0
    text_mlp_ratio: float = 4.0
    norm_eps: float = 1e-5
    text_norm_eps: float = 1e-5
    pooling: str = 'cls'
    text_pooling: str = 'argmax'
    causal: bool = True
    tokenizer: str = 'clip'
    mean: Colour = ()  # type: ignore[assignment]
    std: Colour = ()  # type: ignore[assignment]
    resize: str | None = None
    interpolation: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            hint = did_you_mean(self.kind, KINDS)
            raise FoundationError(f'foundation type {self.kind!r} is not one of {KINDS}{hint}')
        mean, std = _STATISTICS[self.kind]
        for name, value in (
            ('text_activation', self.text_activation or self.activation),
            ('mean', tuple(self.mean) or mean),
            ('std', tuple(self.std) or std),
        ):
            object.__setattr__(self, name, value)
        self._check_values()
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

    def _check_values(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (value is None and name in VIEW_FIELDS):
                raise FoundationError(
                    f'{name} {value!r} is not one of {choices}: a model with it would be computed '
                    'wrongly here'
                )
        for field in fields(self):
            value = getattr(self, field.name)
            number = {'int': (int,), 'float': (int, float)}.get(str(field.type))
            if number and (not isinstance(value, number) or isinstance(value, bool)):
                raise FoundationError(f'architecture: {field.name}={value!r} is not a number')
            if isinstance(value, int) and value < 1:
                raise FoundationError(f'architecture: {field.name}={value} must be at least 1')
            if isinstance(value, float) and not 0 < value < 100:
                raise FoundationError(
                    f'architecture: {field.name}={value} must be above 0 and below 100'
                )
        for name in ('mean', 'std'):
            value = getattr(self, name)
            if len(value) != 3 or not all(0 <= v <= 1 for v in value) or min(self.std) == 0:
                raise FoundationError(
                    f'architecture: {name}={value} must be three numbers on a 0..1 scale'
                )

    def differences(self, other: Architecture) -> list[str]:
        """Fields in which two architectures differ, as ``'field: mine != theirs'``; not where one
        of them says nothing.
        """
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return [f'{n}: {a} != {b}' for n, a, b in pairs if a != b and None not in (a, b)]

    def identity(self) -> str:
        """What adapters depend on, in words: the same as before a field was added, for models
        that have its default.
        """
        plain = Architecture(self.kind, *(getattr(self, f) for f in _FIRST_FIELDS))
        said = [f'{name}={getattr(self, name)!r}' for name in ('kind', *_FIRST_FIELDS)]
        said += [
            f'{f.name}={getattr(self, f.name)!r}'
            for f in fields(self)
            if f.name not in VIEW_FIELDS and getattr(self, f.name) != getattr(plain, f.name)
        ]
        return f'Architecture({", ".join(said)})'


_FIRST_FIELDS = (
    'embed_dim', 'image_size', 'patch_size', 'width', 'layers', 'heads', 'text_width',
    'text_layers', 'text_heads', 'context_length', 'vocab_size', 'num_frames', 'activation',
)  # fmt: skip


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


def resolve_architecture(kind: str, arch: str | dict[str, Any], **changes: Any) -> Architecture:
    """The architecture that a config names (``'b16'``) or spells out (a dict of fields).

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
    try:
        return Architecture(kind=kind, **arch)
    except TypeError as error:
        raise FoundationError(f'incomplete architecture: {error}') from error


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
