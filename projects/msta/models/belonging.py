"""Whether trained adapters belong to a model: the facts that a checkpoint carries, compared."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from ..adapters import AdapterError, all_options
from ..archives import not_finite
from ..spelling import few

if TYPE_CHECKING:
    from .msta_backbone import MSTABackbone

_FORMAT = 'msta/1'
_MOST_PROBLEMS = 8


class CheckpointError(ValueError):
    """A checkpoint does not belong to this model, or cannot be used at all."""


class DamagedCheckpointError(CheckpointError):
    """A file that was cut off or overwritten."""


@dataclass(frozen=True)
class Facts:
    """Which foundation, by config and by a hash of its weights, and which adapter."""

    foundation: dict[str, Any]
    fingerprint: str
    adapter: dict[str, Any] | None


def pack_facts(backbone: MSTABackbone) -> Tensor:
    """Write which foundation and which adapter a backbone has, as JSON in bytes."""
    facts = {
        'format': _FORMAT,
        'foundation': backbone.foundation_cfg,
        'fingerprint': backbone.fingerprint,
        'adapter': backbone.adapter_cfg,
    }
    return torch.tensor(list(json.dumps(facts, default=list).encode()), dtype=torch.uint8)


def check_belongs(backbone: MSTABackbone, state_dict: dict[str, Any], prefix: str) -> None:
    """Refuse a state dict that was trained on another foundation, or does not fit the adapter.

    Options that no shape shows (``scale``, ``input``, ...) may differ on purpose: they are named
    in a warning.

    Raises:
        CheckpointError: Naming what differs; nothing was loaded.
    """
    extra = state_dict.get(f'{prefix}_extra_state')
    if extra is None:
        raise CheckpointError(
            'not a checkpoint of this project: it does not say which foundation its adapters '
            'were trained on. Foundation weights go into model.backbone.foundation.checkpoint'
        )
    facts = read_facts(extra, 'the checkpoint')
    _check_foundation(backbone, facts)
    adapter = _as_json(backbone.adapter_cfg)
    own = backbone.state_dict(prefix=prefix, keep_vars=True)
    given = {k: v for k, v in state_dict.items() if k.startswith(prefix)}
    odd = [f'{key} is not a tensor' for key, value in given.items() if not torch.is_tensor(value)]
    if odd:
        raise CheckpointError(f'the checkpoint is damaged: {"; ".join(odd[:_MOST_PROBLEMS])}')
    problems = [f'missing {key}' for key in own if key not in given]
    problems += [f'unknown {key}' for key in given if key not in own]
    problems += [
        f'{key} is {tuple(given[key].shape)}, expected {tuple(value.shape)}'
        for key, value in own.items()
        if key in given and not key.endswith('_extra_state') and given[key].shape != value.shape
    ]
    problems += [f'{key} holds NaN or infinity' for key in not_finite(given.items())]
    if problems:
        raise CheckpointError(
            f'the checkpoint holds adapters {facts.adapter}, this model has {adapter}; nothing was '
            f'loaded: {few(problems, _MOST_PROBLEMS, "; ")}'
        )
    _warn_of_options(facts.adapter, adapter)


def read_facts(extra: Tensor, name: object) -> Facts:
    """Return the facts in a backbone's extra state; ``name`` is the file's, for the error."""
    try:
        facts = json.loads(bytes(extra.tolist()))
        foundation = {'type': facts['foundation']['type'], 'arch': facts['foundation']['arch']}
        return Facts(foundation, str(facts['fingerprint']), facts.get('adapter'))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpointError(f'{name} is damaged: {error!r}') from error


def _check_foundation(backbone: MSTABackbone, facts: Facts) -> None:
    theirs = facts.fingerprint
    if theirs == backbone.fingerprint or backbone.foundation.has_fingerprint(theirs):
        return
    raise CheckpointError(
        f'the checkpoint was trained on another foundation: {facts.foundation} with fingerprint '
        f'{theirs}, but this model has {backbone.foundation_cfg} with fingerprint '
        f'{backbone.fingerprint}, read from {backbone.checkpoint}. Its adapters would give wrong '
        'scores; set model.backbone.foundation to the one it was trained on'
    )


def _warn_of_options(theirs: dict[str, Any] | None, ours: dict[str, Any] | None) -> None:
    try:
        trained, here = (_as_json(all_options(options)) for options in (theirs, ours))
    except AdapterError:  # options of another version: the shapes have said that all fits
        trained, here = theirs or {}, ours or {}
    differ = [
        f'{name}={trained.get(name)!r} in the checkpoint, {here.get(name)!r} here'
        for name in sorted({*trained, *here})
        if trained.get(name) != here.get(name)
    ]
    if differ:
        print_log(
            'the checkpoint fits, but its adapters were trained with other options: '
            f'{"; ".join(differ)}. Scores are those of this model; to repeat the training '
            "checkpoint's, set model.backbone.adapter to its options",
            logger='current',
            level=logging.WARNING,
        )


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=list))
