"""The one reader of checkpoints: what a file is, and what trained adapters say of themselves."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..archives import ArchiveError, DamagedArchiveError, check_size, not_finite, read_plain
from ..foundation.torchscript import is_torchscript
from .belonging import CheckpointError, DamagedCheckpointError, Facts, read_facts
from .recipe import Recipe

EXTRA_STATE = 'backbone._extra_state'
RECIPE = '_extra_state'

_ZIP = b'PK\x03\x04'


class NotAdaptersError(CheckpointError):
    """Whole, but no adapters of this project: a foundation's weights or something else.

    Which of them it is ``load_foundation`` says, which knows the keys of foundations.
    """


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


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint written by training, running nothing that is in it.

    What a file is, is said here, by the kind of error.

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
        if path.is_dir() or (path.is_file() and not _may_hold_adapters(path)):
            raise NotAdaptersError(f'{path} is not a PyTorch checkpoint of tensors and plain data')
        return read_plain(path)
    except DamagedArchiveError as error:
        raise DamagedCheckpointError(str(error)) from error
    except ArchiveError as error:
        raise CheckpointError(str(error)) from error


def _may_hold_adapters(path: Path) -> bool:
    """Whether a file begins as one that PyTorch writes (one without content counts as cut off)."""
    with path.open('rb') as file:
        begun = file.read(4) in (b'', _ZIP)
    return begun and not (zipfile.is_zipfile(path) and is_torchscript(check_size(path)))
