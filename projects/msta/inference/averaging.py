"""Arithmetic on trained adapters: differences, and averages in weight space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from ..foundation import VideoLanguageModel, load_foundation, said_by_config
from ..models.checkpoints import EXTRA_STATE, RECIPE, Checkpoint, CheckpointError, read_checkpoint
from ..models.recipe import Recipe
from .cards import save_state

# An MSTA adapter is linear in its last layers: scaling these scales what it adds to a block.
_LAST_LAYERS = ('.up.weight', '.up.bias', '.temporal.conv.bias')


def describe_differences(first: Checkpoint, second: Checkpoint) -> list[str]:
    """What differs between two files, a line each; tensors by the norm of their difference."""
    said = {**vars(first.facts), **vars(first.recipe)}
    other = {**vars(second.facts), **vars(second.recipe)}
    lines = [f'{k}: {said[k]} != {other[k]}' for k in said if said[k] != other[k]]
    gaps = {}
    for name, one in first.trained.items():
        two = second.trained.get(name)
        if two is not None and one.shape == two.shape and not torch.equal(one, two):
            gap = (one.double() - two.double()).norm() / one.double().norm().clamp_min(1e-12)
            gaps[name] = gap.item()
    lines += _unlike(first, second)
    return lines + [f'{name}: {gaps[name]:.2%}' for name in sorted(gaps, key=lambda n: -gaps[n])]


def _unlike(first: Checkpoint, second: Checkpoint) -> Iterator[str]:
    """Tensors that have no partner, or one of another shape."""
    one, two = first.trained, second.trained
    for name in sorted(one.keys() | two.keys()):
        if name not in one or name not in two:
            yield f'{name}: only in {first.path if name in one else second.path}'
        elif one[name].shape != two[name].shape:
            yield f'{name}: {tuple(one[name].shape)} and {tuple(two[name].shape)}'


def average_files(
    paths: Sequence[str | Path],
    out: str | Path,
    weights: Sequence[float] | None = None,
    zero_shot: float = 0.0,
    foundation: str | Path | None = None,
) -> bool:
    """Write the weighted mean of several files' adapters.

    Args:
        paths: files of one foundation and one adapter, with tensors of the same shapes.
        out: the file to write.
        weights: one per file, not negative; they are divided by their sum. Equal by default.
        zero_shot: the share of the foundation without adapters, 0..1, as in WiSE-FT (Wortsman et
            al., CVPR 2022): what the adapters add to a block is multiplied by one minus it. For
            MSTA adapters with their depthwise convolution, or none.
        foundation: weights that all stand on; files of earlier versions, whose fingerprint has
            another form, are told from those of another foundation by it.

    Returns:
        Whether the files have the same labels and prompts, which the mean then carries.

    Raises:
        CheckpointError: the files do not belong together, naming what differs, or ``out`` is one of
            them.
    """
    out = Path(out)
    if any(out.exists() and out.samefile(path) for path in paths if Path(path).exists()):
        raise CheckpointError(f'{out}: is one of the files to average')
    shares = [1.0] * len(paths) if weights is None else [float(w) for w in weights]
    if not paths or len(shares) != len(paths):
        raise CheckpointError(f'{len(paths)} files cannot have {len(shares)} weights')
    if not (min(shares) >= 0 and 0 < sum(shares) < float('inf')):
        raise CheckpointError(f'weights {shares} must be numbers, not negative, nor all zero')
    if not 0 <= zero_shot <= 1:
        raise CheckpointError(f'the zero-shot share {zero_shot} must lie in [0, 1]')
    first, *others = read = [read_checkpoint(path) for path in paths]
    model = None
    if foundation is not None:
        model = load_foundation(foundation, **said_by_config(first.facts.foundation))
    for other in others:
        _check_together(first, other, model)
    total = sum(shares)
    merged: dict[str, Tensor] = {}
    for name, tensor in first.trained.items():
        parts = [c.trained[name].double() * (w / total) for c, w in zip(read, shares, strict=True)]
        merged[name] = torch.stack(parts).sum(0).to(tensor.dtype)
    if zero_shot:
        _shrink(merged, first, 1 - zero_shot)
    merged[EXTRA_STATE] = first.state_dict[EXTRA_STATE]
    recipes = [checkpoint.recipe for checkpoint in read]
    if all(RECIPE in checkpoint.state_dict for checkpoint in read):
        merged[RECIPE] = _average_recipes(recipes, shares).pack()
    save_state(merged, out)
    said = [(recipe.labels, recipe.templates) for recipe in recipes]
    return said == said[:1] * len(said)


def _average_recipes(recipes: Sequence[Recipe], shares: Sequence[float]) -> Recipe:
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
    for odd in _unlike(first, other):
        raise CheckpointError(f'{first.path} and {other.path}: {odd}')


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
