"""Architectures of the foundation models, as data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ..spelling import did_you_mean
from ..tokenizer import VOCAB_SIZE

Colour = tuple[float, float, float]

# OpenAI's CLIP was trained with its own pixel statistics, ViCLIP with ImageNet's (on a 0..1 scale).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
_STATISTICS = {
    'ViCLIP': (IMAGENET_MEAN, IMAGENET_STD),
    'CLIP': (CLIP_MEAN, CLIP_STD),
    'PerceptionEncoder': (HALF, HALF),
    'SigLIP': (HALF, HALF),
}

KINDS = tuple(_STATISTICS)
# What a field that names something may say: all that the towers can compute.
CHOICES: dict[str, tuple[Any, ...]] = {
    'activation': ('quick_gelu', 'gelu', 'gelu_tanh'),
    'text_activation': ('quick_gelu', 'gelu', 'gelu_tanh'),
    'pooling': ('cls', 'attention'),
    'text_pooling': ('argmax', 'last'),
    'causal': (True, False),
    'tokenizer': ('clip', 'siglip', 'siglip2'),
    'position_resize': ('bicubic', 'bilinear'),
    'frame_mean': ('raw', 'normalised'),
    'frame_attention': ('own', 'neighbours'),
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
    or an image tower on each frame: ``'CLIP'``, ``'PerceptionEncoder'``, ``'SigLIP'``.
    ``num_frames`` is the length of ViCLIP's temporal embedding; for the others it only says how
    many frames per clip usually has.

    ``pooling``: what a tower's embedding is read from: the row of the class token, or all rows
    through attention by a learned probe of ``pool_heads`` heads (None: the tower's);
    ``'argmax'`` is the largest token id, CLIP's end of text, ``'last'`` the last position.
    ``causal``: a word of a text sees only those before it. ``tokenizer``: ``'clip'``, or the
    ``tokenizer.json`` beside the weights behind SigLIP's clean-up (lower case, no punctuation) or
    SigLIP 2's (lower case). ``rope``: rotary positions in the video tower as well.
    ``position_resize``: how its learned positions follow another image size. ``frame_mean``:
    whether a clip is the mean of its frames' embeddings as they are or of length 1.
    ``frame_attention``: whether a frame attends to its own tokens or to those of the frames before
    and after it too (Open-VCLIP). ``logit_bias``: a number added to scaled cosines, for the sigmoid
    of a single pair.

    ``mean``, ``std``: pixel statistics on a 0..1 scale, by default those of the kind's first
    publication. ``resize``: ``'shortest'`` scales the short side and crops, ``'squash'`` scales
    both sides to the image size; None where nobody has said, as for ``interpolation``.
    ``text_activation`` is by default the video tower's.
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
    class_token: bool = True
    ln_pre: bool = True
    patch_bias: bool = False
    projection: bool = True
    rope: bool = False
    position_resize: str = 'bicubic'
    pool_heads: int | None = None
    pool_mlp_ratio: float = 4.0
    frame_mean: str = 'raw'
    frame_attention: str = 'own'
    text_proj_bias: bool = False
    logit_bias: bool = False

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
        self._check_combination()

    def _check_values(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (value is None and name in VIEW_FIELDS):
                raise FoundationError(
                    f'{name} {value!r} is not one of {choices}: a model with it would be computed '
                    'wrongly here'
                )
        for field in fields(self):
            name, value, kind = field.name, getattr(self, field.name), str(field.type)
            if value is None and kind.endswith(' | None'):
                continue
            problem, kind = '', kind.removesuffix(' | None')
            if (kind == 'bool') != isinstance(value, bool):
                problem = f'is not {"True or False" if kind == "bool" else "a number"}'
            elif kind in ('int', 'float'):
                if not isinstance(value, (int,) if kind == 'int' else (int, float)):
                    problem = 'is not a number'
                elif isinstance(value, int) and value < 1:
                    problem = 'must be at least 1'
                elif isinstance(value, float) and not 0 < value < 100:
                    problem = 'must be above 0 and below 100'
            elif kind == 'Colour' and (
                len(value) != 3 or not all(0 <= v <= 1 for v in value) or min(self.std) == 0
            ):
                problem = 'must be three numbers on a 0..1 scale'
            if problem:
                raise FoundationError(f'architecture: {name}={value!r} {problem}')

    def _check_combination(self) -> None:
        split = 'of width {} cannot be split evenly over {} heads'.format
        head, pool_heads = self.width // self.heads, self.pool_heads or self.heads
        frame_wise = self.pooling != 'cls' or self.rope or self.frame_attention != 'own'
        for wrong, problem in (
            (
                self.image_size % self.patch_size,
                f'image_size={self.image_size} is not a multiple of patch_size={self.patch_size}',
            ),
            (self.width % self.heads, f'the video tower {split(self.width, self.heads)}'),
            (
                self.text_width % self.text_heads,
                f'the text tower {split(self.text_width, self.text_heads)}',
            ),
            (
                self.pooling == 'cls' and not self.class_token,
                "pooling='cls' reads a class token, and class_token=False: there is none",
            ),
            (
                self.kind == 'ViCLIP' and frame_wise,
                'ViCLIP reads its class token, has no rotary positions, and attends to all frames',
            ),
            (
                self.rope and head % 4,
                f'rotary positions in two directions need heads of 4n channels, not {head}',
            ),
            (
                not self.projection and self.embed_dim != self.width,
                f'without projection embed_dim={self.embed_dim} must be width={self.width}',
            ),
            (self.width % pool_heads, f'the pooling {split(self.width, pool_heads)}'),
        ):
            if wrong:
                raise FoundationError(f'architecture: {problem}')

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
