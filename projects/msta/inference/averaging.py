"""Arithmetic on trained adapters: differences, and averages in weight space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from ..foundation import VideoLanguageModel, load_foundation, said_by_config
from ..models.checkpoints import (
    EXTRA_STATE,
    RECIPE,
    Checkpoint,
    CheckpointError,
    read_checkpoint,
)
from ..models.recipe import Recipe
from .cards import save_state

# An MSTA adapter is linear in its last layers: scaling these scales what it adds to a block.
_LAST_LAYERS = ('.up.weight', '.up.bias', '.temporal.conv.bias')


@dataclass(frozen=True)
class TensorDifference:
    """``relative`` is the norm of the difference over the norm of the first; None: no partner."""

    name: str
    relative: float | None
    note: str = ''


def differences(first: Checkpoint, second: Checkpoint) -> list[TensorDifference]:
    """What differs between the trained tensors of two files, the largest first."""
    found = []
    one, two = first.trained, second.trained
    for name in sorted(one.keys() | two.keys()):
        if name not in one or name not in two:
            where = first.path if name in one else second.path
            found.append(TensorDifference(name, None, f'only in {where}'))
        elif one[name].shape != two[name].shape:
            shapes = f'{tuple(one[name].shape)} and {tuple(two[name].shape)}'
            found.append(TensorDifference(name, None, shapes))
        elif not torch.equal(one[name], two[name]):
            base = one[name].double().norm().clamp_min(1e-12)
            gap = (one[name].double() - two[name].double()).norm()
            found.append(TensorDifference(name, (gap / base).item()))
    return sorted(found, key=lambda d: -(d.relative if d.relative is not None else float('inf')))


def average_adapters(
    checkpoints: Sequence[Checkpoint],
    weights: Sequence[float] | None = None,
    zero_shot: float = 0.0,
    foundation: VideoLanguageModel | None = None,
) -> dict[str, Tensor]:
    """Return the weighted mean of several files' adapters, as a state dict.

    It carries their labels and prompts where all have the same.

    Args:
        checkpoints: files of one foundation and one adapter, with tensors of the same shapes.
        weights: one per file, not negative; they are divided by their sum. Equal by default.
        zero_shot: the share of the foundation without adapters, 0..1, as in WiSE-FT (Wortsman et
            al., CVPR 2022): what the adapters add to a block is multiplied by one minus it. For
            MSTA adapters with their depthwise convolution, or none.
        foundation: what they stand on; files of earlier versions, whose fingerprint has another
            form, are told from those of another foundation by it.

    Raises:
        CheckpointError: the files do not belong together, naming what differs.
    """
    shares = [1.0] * len(checkpoints) if weights is None else [float(w) for w in weights]
    if not checkpoints or len(shares) != len(checkpoints):
        raise CheckpointError(f'{len(checkpoints)} files cannot have {len(shares)} weights')
    if not (min(shares) >= 0 and 0 < sum(shares) < float('inf')):
        raise CheckpointError(f'weights {shares} must be numbers, not negative, nor all zero')
    if not 0 <= zero_shot <= 1:
        raise CheckpointError(f'the zero-shot share {zero_shot} must lie in [0, 1]')
    first = checkpoints[0]
    for other in checkpoints[1:]:
        _check_together(first, other, foundation)
    total = sum(shares)
    merged: dict[str, Tensor] = {}
    for name, tensor in first.trained.items():
        parts = [c.trained[name].double() * (w / total) for c, w in zip(checkpoints, shares)]  # noqa: B905 - equal lengths, checked above
        merged[name] = torch.stack(parts).sum(0).to(tensor.dtype)
    if zero_shot:
        _shrink(merged, first, 1 - zero_shot)
    merged[EXTRA_STATE] = first.state_dict[EXTRA_STATE]
    if all(RECIPE in c.state_dict for c in checkpoints):
        merged[RECIPE] = _average([c.recipe for c in checkpoints], shares).pack()
    return merged


def _average(recipes: Sequence[Recipe], shares: Sequence[float]) -> Recipe:
    """Keep what all say alike; average the bias and threshold of several labels per video."""
    if len({recipe.multi_class for recipe in recipes}) > 1:
        raise CheckpointError(
            'some adapters were trained for one label per video, others for several: their mean '
            'would be for neither'
        )
    said = {field.name: [getattr(r, field.name) for r in recipes] for field in fields(Recipe)}
    same = {name: each[0] for name, each in said.items() if each == each[:1] * len(each)}
    means = {
        name: sum(v * w for v, w in zip(said[name], shares, strict=True)) / sum(shares)
        for name in ('logit_bias', 'threshold')
        if None not in said[name]
    }
    return Recipe(**same | means)


def average_files(
    paths: Sequence[str | Path],
    out: str | Path,
    weights: Sequence[float] | None = None,
    zero_shot: float = 0.0,
    foundation: str | Path | None = None,
) -> bool:
    """Write the mean of files; tell whether they agree on labels and prompts.

    Raises:
        CheckpointError: as :func:`average_adapters`, or ``out`` is one of the files.
    """
    out = Path(out)
    if any(out.exists() and out.samefile(path) for path in paths if Path(path).exists()):
        raise CheckpointError(f'{out}: is one of the files to average')
    read = [read_checkpoint(path) for path in paths]
    model = None
    if foundation is not None:
        model = load_foundation(foundation, **said_by_config(read[0].facts.foundation))
    state = average_adapters(read, weights, zero_shot, model)
    save_state(state, out)
    recipes = [(c.recipe.labels, c.recipe.templates) for c in read]
    return recipes == recipes[:1] * len(recipes)


def _check_together(
    first: Checkpoint, other: Checkpoint, foundation: VideoLanguageModel | None
) -> None:
    both = first.facts.fingerprint, other.facts.fingerprint
    if both[0] != both[1] and not (foundation and foundation.has_fingerprint(*both)):
        raise CheckpointError(
            f'{other.path} stands on another foundation ({other.facts.fingerprint}) than '
            f'{first.path} ({first.facts.fingerprint}); their mean would mean nothing. '
            'If an earlier version wrote one of them, name the weights of both: --foundation FILE'
        )
    if first.facts.adapter != other.facts.adapter:
        raise CheckpointError(
            f'{other.path} holds adapters {other.facts.adapter}, {first.path} holds '
            f'{first.facts.adapter}; only equal ones can be averaged'
        )
    odd = [d for d in differences(first, other) if d.relative is None]
    if odd:
        raise CheckpointError(f'{first.path} and {other.path}: {odd[0].name}: {odd[0].note}')


def _shrink(state: dict[str, Tensor], origin: Checkpoint, factor: float) -> None:
    adapter = origin.facts.adapter or {}
    if adapter.get('type') != 'MSTAAdapter' or adapter.get('temporal') == 'full':
        raise CheckpointError(
            f'{origin.path}: a zero-shot share is defined for MSTA adapters with a depthwise '
            f'temporal part, or none; this file holds {adapter}'
        )
    for name in state:
        if name.endswith(_LAST_LAYERS):
            state[name] = state[name] * factor
