"""What tensors do not say of a model: who says it, and what happens where nobody does.

Each of these facts changes the embeddings and no tensor's shape, so a wrong one would go unseen.
They come from the user, the file, a config beside it, or a table of published models; where all are
silent the model is not loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .architecture import FoundationError
from .presets import for_both_towers, resolve_architecture

# Fact -> what it is and which values are to be chosen from.
OPEN_FACTS = {
    'activation': "'quick_gelu' (OpenAI's weights and what is tuned from them, DFN, MetaCLIP) or "
    "'gelu' (LAION's, DataComp's and most other models trained with OpenCLIP), 'gelu_tanh'",
    'text_activation': 'the same of the text tower; activation says it for both',
    'heads': "attention heads of the video tower (OpenAI's: width / 64; ViT-H/14, g and bigG: 16)",
    'text_heads': "attention heads of the text tower (OpenAI's: width / 64)",
    'norm_eps': 'epsilon of the layer norms (1e-5 in CLIP, 1e-6 in some others)',
    'text_norm_eps': 'the same of the text tower; norm_eps says it for both',
    'pooling': "what the image embedding is read from: 'cls', the class token, or 'attention', all "
    'tokens by a learned probe',
    'text_pooling': "what the text embedding is read from: 'argmax', CLIP's end of text, or "
    "'last', the last position",
    'causal': 'True where a word of a text sees only those before it, as in CLIP; False in SigLIP',
    'frame_attention': "what a frame attends to: 'own' tokens alone (nearly all models), or also "
    "those of its 'neighbours', the frames before and after it (Open-VCLIP)",
    'tokenizer': "'clip', CLIP's byte-pair encoding of 49,408 tokens; 'siglip' or 'siglip2', the "
    'tokenizer.json beside the weights behind lower-casing (siglip: and without punctuation)',
    'mean': "pixel mean on a 0..1 scale (CLIP's: 0.48145466, 0.4578275, 0.40821073; LAION-2B's "
    'ViT-L/14, Perception Encoder, SigLIP: 0.5, 0.5, 0.5)',
    'std': "pixel standard deviation (CLIP's: 0.26862954, 0.26130258, 0.27577711; LAION-2B's "
    'ViT-L/14: 0.5, 0.5, 0.5)',
    'resize': "'shortest' (short side scaled, then cropped; CLIP) or 'squash' (both sides scaled)",
    'interpolation': "'bicubic' (CLIP) or 'bilinear'",
}


def said_by_config(foundation: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that ``foundation=dict(type, arch, activation=..., ...)`` says of its checkpoint.

    A preset says all of them, a spelt-out architecture those that are in it.
    """
    arch = foundation['arch']
    if isinstance(arch, str):
        preset = resolve_architecture(foundation['type'], arch)
        arch = {fact: getattr(preset, fact) for fact in OPEN_FACTS}
    said = {**for_both_towers(dict(arch)), **for_both_towers(dict(foundation))}
    return {fact: said[fact] for fact in OPEN_FACTS if said.get(fact) is not None}


class Source(NamedTuple):
    """Somebody who says facts. A table of published models is not ``firm``: it gives way."""

    name: str
    facts: Mapping[str, Any]
    firm: bool = True


def same(a: Any, b: Any) -> bool:
    """Return whether two values of a fact are one, numbers up to rounding."""
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if float in (type(a), type(b)) and {type(a), type(b)} <= {int, float}:
        return abs(a - b) <= 1e-3 * max(abs(a), abs(b))
    return bool(a == b)


def settle(sources: Sequence[Source]) -> dict[str, Any]:
    """What all sources say together; those that come first are heard first.

    Raises:
        FoundationError: two firm sources contradict each other.
    """
    said: dict[str, tuple[Any, Source]] = {}
    for source in sources:
        for field, value in source.facts.items():
            if field not in said:
                said[field] = value, source
                continue
            other, by = said[field]
            if source.firm and by.firm and not same(value, other):
                raise FoundationError(
                    f'{by.name} says {field}={other!r}, but {source.name} says {value!r}. One of '
                    'the two is not about these weights; with the wrong value all scores would be '
                    'wrong. Take out the wrong one'
                )
    return {field: value for field, (value, _) in said.items()}


def require(said: Mapping[str, Any], kind: str, format_name: str, hint: str) -> None:
    """Refuse a model of which a fact is not said.

    Raises:
        FoundationError: with every such fact, its choices, and the setting that says it.
    """
    missing = [field for field in OPEN_FACTS if field not in said]
    if not missing:
        return
    choices = '\n'.join(f'  {field}: {OPEN_FACTS[field]}' for field in missing)
    setting = ', '.join(f'{field}=...' for field in missing)
    raise FoundationError(
        f'recognised as {format_name}, but nothing says {", ".join(missing)}, which cannot be seen '
        'in its tensors, and a wrong value gives wrong scores. Nothing was loaded. The choices:\n'
        f'{choices}\n'
        f"Say it: foundation=dict(type='{kind}', arch=..., checkpoint=..., {setting}), or in "
        f'Python load_foundation(path, {setting}); {hint}'
    )
