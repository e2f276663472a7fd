"""The one reader of checkpoints: what a file is, and what trained adapters say of themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..archives import ArchiveError, DamagedArchiveError, check_size, not_finite, read_plain
from ..foundation.torchscript import is_torchscript
from .msta_backbone import CheckpointError
from .recipe import Recipe

EXTRA_STATE = 'backbone._extra_state'
RECIPE = '_extra_state'

_ZIP, _PICKLE = b'PK\x03\x04', b'\x80'


class FileKind(Enum):
    """What a file of weights is."""

    ADAPTERS = 'trained adapters of this project'
    FOUNDATION = "a foundation's weights"
    DAMAGED = 'damaged'
    OTHER = 'something else'


class NotAdaptersError(CheckpointError):
    """A whole file that holds no adapters of this project."""


class DamagedCheckpointError(CheckpointError):
    """A file that was cut off or overwritten."""


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
    recipe: Recipe = field(default_factory=Recipe)

    @property
    def trained(self) -> dict[str, Tensor]:
        """The trained tensors alone."""
        return {k: v for k, v in self.state_dict.items() if k not in (EXTRA_STATE, RECIPE)}


def identify(path: str | Path) -> FileKind:
    """What a file is, by its content; a folder is taken for a foundation's.

    Whether weights that are no adapters are those of a foundation that this project knows is said
    by ``load_foundation``, which alone knows their keys.

    Raises:
        FileNotFoundError: there is none, naming those in its folder.
    """
    path = Path(path)
    if path.is_dir():
        return FileKind.FOUNDATION
    try:
        read_checkpoint(path)
    except DamagedCheckpointError:
        return FileKind.DAMAGED
    except NotAdaptersError:
        with path.open('rb') as file:
            head = file.read(9)
        weights = head.startswith((_ZIP, _PICKLE)) or head[8:9] == b'{'  # safetensors begin so
        return FileKind.FOUNDATION if weights else FileKind.OTHER
    except CheckpointError:
        return FileKind.OTHER
    return FileKind.ADAPTERS


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint written by training, running nothing that is in it.

    Raises:
        FileNotFoundError: there is none, naming those in its folder.
        DamagedCheckpointError: it was cut off or overwritten.
        NotAdaptersError: it holds something else, such as a foundation's weights.
        CheckpointError: it holds more than plain data, or numbers that are not finite.
    """
    path = Path(path)
    content = _read(path)
    state = content.get('state_dict') if isinstance(content, dict) else None
    if not isinstance(state, dict) or EXTRA_STATE not in state:
        raise NotAdaptersError(
            f'{path} is not a checkpoint of this project: it does not say which foundation its '
            'adapters were trained on. Foundation weights are given as foundation or config'
        )
    spoilt = [f'{key} is not a tensor' for key in state if not torch.is_tensor(state[key])]
    spoilt += [f'{key} holds NaN or infinity' for key in not_finite(state.items())]
    if spoilt:
        raise CheckpointError(f'{path} is not to be used: {"; ".join(spoilt[:4])}')
    facts = read_facts(state[EXTRA_STATE], path)
    extras = {key: value for key, value in content.items() if key != 'state_dict'}
    recipe = Recipe()
    if RECIPE in state:
        try:
            recipe = Recipe.unpack(state[RECIPE])
        except CheckpointError as error:
            raise CheckpointError(f'{path}: {error}') from error
    return Checkpoint(path, dict(state), facts, extras, recipe)


def _read(path: Path) -> Any:
    """Plain content of a PyTorch file; the kinds of failure as errors of their own."""
    try:
        if path.is_file() and (not _is_archive(path) or is_torchscript(check_size(path))):
            raise NotAdaptersError(f'{path} is not a PyTorch checkpoint of tensors and plain data')
        return read_plain(path)
    except DamagedArchiveError as error:
        raise DamagedCheckpointError(str(error)) from error
    except ArchiveError as error:
        raise CheckpointError(str(error)) from error


def _is_archive(path: Path) -> bool:
    """Whether a file begins as one that PyTorch writes; one without content counts as cut off."""
    with path.open('rb') as file:
        return file.read(4) in (b'', _ZIP)


def read_facts(extra: Tensor, origin: str | Path) -> Facts:
    """The facts in a backbone's extra state."""
    try:
        facts = json.loads(bytes(extra.tolist()))
        foundation = {'type': facts['foundation']['type'], 'arch': facts['foundation']['arch']}
        return Facts(foundation, str(facts['fingerprint']), facts.get('adapter'))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpointError(f'{origin}: the checkpoint is damaged: {error!r}') from error
