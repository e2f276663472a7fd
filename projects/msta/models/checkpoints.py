"""Files of trained adapters: reading them safely, and what they say of themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import projects.msta.register  # noqa: F401

from ..archives import ArchiveError, not_finite, read_plain
from . import CheckpointError

EXTRA_STATE = 'backbone._extra_state'

__all__ = ['EXTRA_STATE', 'Checkpoint', 'CheckpointError', 'Facts', 'read_checkpoint']


@dataclass(frozen=True)
class Facts:
    """Which foundation, by config and by a hash of its weights, and which adapter."""

    foundation: dict[str, Any]
    fingerprint: str
    adapter: dict[str, Any] | None


@dataclass(frozen=True)
class Checkpoint:
    """A file of this project: trained tensors, their facts, and whatever else was saved."""

    path: Path
    state_dict: dict[str, Tensor]
    facts: Facts
    extras: dict[str, Any]

    @property
    def trained(self) -> dict[str, Tensor]:
        """The trained tensors alone."""
        return {k: v for k, v in self.state_dict.items() if k != EXTRA_STATE}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint written by training, running nothing that is in it.

    Raises:
        FileNotFoundError: there is none, naming those in its folder.
        CheckpointError: not a whole file of this project, or one that holds more than plain data.
    """
    path = Path(path)
    try:
        content = read_plain(path)
    except ArchiveError as error:
        raise CheckpointError(str(error)) from error
    state = content.get('state_dict') if isinstance(content, dict) else None
    if not isinstance(state, dict) or EXTRA_STATE not in state:
        raise CheckpointError(
            f'{path} is not a checkpoint of this project: it does not say which foundation its '
            'adapters were trained on. Foundation weights are given as foundation or config'
        )
    spoilt = [f'{key} is no tensor' for key, value in state.items() if not torch.is_tensor(value)]
    spoilt += [f'{key} holds NaN or infinity' for key in not_finite(state.items())]
    if spoilt:
        raise CheckpointError(f'{path} is not to be used: {"; ".join(spoilt[:4])}')
    facts = read_facts(state[EXTRA_STATE], path)
    extras = {key: value for key, value in content.items() if key != 'state_dict'}
    return Checkpoint(path, dict(state), facts, extras)


def read_facts(extra: Tensor, origin: str | Path) -> Facts:
    """The facts in a backbone's extra state."""
    try:
        facts = json.loads(bytes(extra.tolist()))
        foundation = {'type': facts['foundation']['type'], 'arch': facts['foundation']['arch']}
        return Facts(foundation, str(facts['fingerprint']), facts.get('adapter'))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f'{origin}: the checkpoint is damaged: {error!r}') from error
