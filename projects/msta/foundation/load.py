"""Foundation weights from files: checked in full, and never with a fact that nobody has said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..archives import not_finite
from ..files import replacing
from ..spelling import did_you_mean
from .architecture import Architecture, FoundationError
from .config_files import BESIDE_HINT, facts_beside
from .convert import Format, detect_format, strip_wrappers, to_viclip
from .convert.openai import TOKEN_EMBEDDING, check_token_embedding
from .facts import OPEN_FACTS, Source, require, settle
from .model import VideoLanguageModel
from .presets import code_fields, for_both_towers, preset_of
from .shapes import sizes_of
from .tokenizer_file import FileTokenizer
from .weight_files import read_weights, snapshot_of
from .weights import known_facts

_LISTED = 12  # keys named in an error before '... and N more'


def load_foundation(
    path: str | Path, token_embedding: str | Path | None = None, **said: Any
) -> VideoLanguageModel:
    """Read a foundation model from a file, a folder, or a model's folder in Hugging Face's cache.

    Recognised by content, as ``docs/foundations.md`` lists; sizes are read off the tensors, which
    become float32.

    Args:
        path: the weights.
        token_embedding: a CLIP file to take it from, for ViFi-CLIP, whose files lack it.
        said: facts that tensors do not show (:data:`OPEN_FACTS`), such as ``activation``, where
            neither a config beside the file nor the table of published models says them.

    Raises:
        FoundationError: the file is damaged, foreign, holds anything but tensors, keys are missing
            or unknown, nobody says a fact, or two contradict each other.
        FileNotFoundError: there is none.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'foundation weights not found: {path}')
    unknown = sorted(set(said) - set(OPEN_FACTS))
    if unknown:
        raise FoundationError(
            f'{unknown[0]!r} is not a fact to be said of a foundation'
            f'{did_you_mean(unknown[0], OPEN_FACTS)}; they are {", ".join(OPEN_FACTS)}'
        )
    path = snapshot_of(path)
    state, metadata = read_weights(path)
    state = strip_wrappers(state)
    try:
        known = detect_format(state)
    except FoundationError as error:
        raise FoundationError(f'{path}: {error}') from error
    try:
        ours = known.convert(state)
        _complete(ours, state, token_embedding)
        sizes = sizes_of(known.kind, ours)
        facts = _facts(path, known, sizes, ours, metadata, said)
        arch = Architecture(
            known.kind, **{**code_fields(known.kind), **known.fields, **sizes, **facts}
        )
    except (FoundationError, KeyError) as error:
        reason = f'lacks the tensor {error}' if isinstance(error, KeyError) else error
        raise FoundationError(f'{path}: {reason}') from error
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise FoundationError(
            f'{path}: recognised as {known.name}, but its tensors do not fit together ({error})'
        ) from error
    _check_fit(arch, ours, path, known.name)
    model = VideoLanguageModel(arch)
    model.load_state_dict(ours, strict=True)
    if arch.tokenizer != 'clip':
        model.tokenizer = FileTokenizer(path if path.is_dir() else path.parent, arch)
    return model


def _complete(
    ours: dict[str, Tensor], theirs: Mapping[str, Tensor], path: str | Path | None
) -> None:
    """Put in the token embedding of another file where, and only where, there is none."""
    missing = TOKEN_EMBEDDING not in ours
    if path is None and missing:
        raise FoundationError(
            'it has no token embedding: ViFi-CLIP never trains it, and does not keep it. Name the '
            'file of the CLIP it was tuned from: foundation=dict(..., '
            "token_embedding='data/foundation/ViT-B-16.pt'), or in Python "
            'load_foundation(path, token_embedding=...)'
        )
    if path is None:
        return
    if not missing:
        raise FoundationError('it has a token embedding of its own: leave token_embedding out')
    if not Path(path).exists():
        raise FoundationError(f'token_embedding: there is no {path}')
    other = strip_wrappers(read_weights(path)[0])
    ours[TOKEN_EMBEDDING] = detect_format(other).convert(other)[TOKEN_EMBEDDING]
    check_token_embedding(theirs, ours[TOKEN_EMBEDDING])


def _facts(
    path: Path,
    known: Format,
    sizes: Mapping[str, Any],
    state: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    said: Mapping[str, Any],
) -> dict[str, Any]:
    """What tensors do not show, from all that say it; what they show must be said as they are."""
    sources = [
        Source('the size of its tensors', sizes),
        Source('the setting of the foundation', for_both_towers(dict(said))),
        Source('its metadata', _metadata_facts(metadata)),
        *facts_beside(path, known.hugging_face),
    ]
    family = Source(f'the code of {known.name}', known.said(sizes), known.firm)
    so_far = settle([*sources, family])
    name, published = known_facts(known.kind, sizes, so_far, state)
    published = {fact: value for fact, value in published.items() if fact not in known.asks}
    # A model of the table is more than its family.
    settled = settle([*sources, Source(name, published, firm=False), family])
    hint, preset = BESIDE_HINT, preset_of(known.kind, sizes)
    if preset is not None:
        hint += f". arch='{preset}' in a config says all that the publisher's own model has"
    require(settled, known.kind, known.name, hint)
    return {field: settled[field] for field in OPEN_FACTS}


def _metadata_facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What :func:`save_foundation` has written; files of other programs have other metadata."""
    facts: dict[str, Any] = {}
    if 'foundation' in metadata:
        try:
            facts = {f: v for f, v in json.loads(metadata['foundation']).items() if f in OPEN_FACTS}
        except (ValueError, AttributeError) as error:
            raise FoundationError(f'its metadata cannot be read: {error}') from error
        facts |= {name: tuple(facts[name]) for name in ('mean', 'std') if name in facts}
    # Those of earlier versions.
    facts |= {'activation': metadata['activation']} if 'activation' in metadata else {}
    for key in {'heads', 'text_heads'} & set(metadata):
        if not metadata[key].isdecimal() or not int(metadata[key]):
            raise FoundationError(f'its metadata says {key}={metadata[key]!r}, not a number > 0')
        facts[key] = int(metadata[key])
    return for_both_towers(facts)


def _check_fit(
    arch: Architecture, state: Mapping[str, Tensor], path: Path, format_name: str
) -> None:
    with torch.device('meta'):  # shapes alone: a file may declare a model of any size
        expected = VideoLanguageModel(arch).state_dict()
    common = sorted(set(expected) & set(state))
    misshapen = [key for key in common if state[key].shape != expected[key].shape]
    fitting = ((key, state[key]) for key in common if key not in misshapen)
    found = {
        'missing': sorted(set(expected) - set(state)),
        'unknown': sorted(set(state) - set(expected)),
        'of another shape': [
            f'{key} is {tuple(state[key].shape)}, expected {tuple(expected[key].shape)}'
            for key in misshapen
        ],
        'holding NaN or infinity': not_finite(fitting),
    }
    problems = [
        f'{len(keys)} tensor(s) {of}: {_listing(keys)}' for of, keys in found.items() if keys
    ]
    if problems:
        raise FoundationError(
            f'{path}: recognised as {format_name}, but it does not fit the architecture read off '
            f'it ({arch}); nothing was loaded.\n  ' + '\n  '.join(problems)
        )


def _listing(keys: list[str]) -> str:
    more = f' ... and {len(keys) - _LISTED} more' if len(keys) > _LISTED else ''
    return ', '.join(keys[:_LISTED]) + more


def save_foundation(
    model: VideoLanguageModel,
    path: str | Path,
    dtype: torch.dtype = torch.float16,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a ViCLIP model as safetensors in the original's key names, for :func:`load_foundation`.

    ``metadata`` (strings) says how it was made; what tensors do not show is added.
    """
    if model.arch.kind != 'ViCLIP':
        raise FoundationError(f'only ViCLIP models are written; this one is {model.arch.kind}')
    path = Path(path)
    state = {k: v.to(dtype).contiguous() for k, v in to_viclip(model.state_dict()).items()}
    state['temp'] = state['temp'].float()
    facts_of = {field: getattr(model.arch, field) for field in OPEN_FACTS}
    facts = {
        'format': 'pt',
        'foundation': json.dumps({f: v for f, v in facts_of.items() if v is not None}),
        **(metadata or {}),
    }
    with replacing(path) as temporary:
        save_file(state, temporary, facts)
