"""What a checkpoint says of itself, as text and as a card to publish it with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..foundation.weights import KNOWN_WEIGHTS, WeightInfo
from ..models.checkpoints import Checkpoint, CheckpointError
from ..models.recipe import Recipe
from .results import write_text, write_whole

_SHOWN = 8


def metrics_of(checkpoint: Checkpoint) -> dict[str, float]:
    """Return the last value of each validation metric that training logged."""
    hub = checkpoint.extras.get('message_hub')
    scalars = hub.get('log_scalars', {}) if isinstance(hub, Mapping) else {}
    found = {}
    for name, history in scalars.items():
        log = history.get('log') if isinstance(history, Mapping) else None
        if name.startswith('val/') and 'time' not in name and log is not None and len(log):
            found[name.removeprefix('val/')] = float(log[-1])
    return found


def foundation_info(checkpoint: Checkpoint) -> WeightInfo | None:
    """Return the published weights that the adapters seem to stand on."""
    given = checkpoint.facts.foundation
    for info in KNOWN_WEIGHTS.values():
        if (info.kind, info.arch) == (given.get('type'), given.get('arch')):
            return info
    return None


def summary(checkpoint: Checkpoint) -> str:
    """What is in a file, for which foundation, with which metrics."""
    facts, meta = checkpoint.facts, checkpoint.extras.get('meta') or {}
    trained = checkpoint.trained
    sizes: dict[str, int] = {}
    for name, tensor in trained.items():
        block = '.'.join(name.removeprefix('backbone.adapter.').split('.')[:2])
        sizes[block] = sizes.get(block, 0) + tensor.numel()
    total = sum(sizes.values())
    others = [key for key in checkpoint.extras if key != 'meta']
    lines = [
        f'file         {checkpoint.path} ({checkpoint.path.stat().st_size:,} bytes)',
        f'foundation   {facts.foundation["type"]} {facts.foundation["arch"]}',
        f'fingerprint  {facts.fingerprint}',
        f'adapter      {_words(facts.adapter)}',
        f'trained      {total:,} parameters in {len(trained)} tensors',
        *(f'  {block:<24} {size:>12,}' for block, size in sizes.items()),
        *_uses(checkpoint.recipe),
    ]
    lines += [f'{key:<12} {meta[key]}' for key in ('epoch', 'iter', 'time') if key in meta]
    lines += [f'{name:<12} {value:.4f}' for name, value in metrics_of(checkpoint).items()]
    if others:
        lines.append(f'also holds   {", ".join(others)}')
    return '\n'.join(lines) + '\n'


def _uses(recipe: Recipe) -> list[str]:
    lines = []
    if recipe.labels:
        more = ', ...' if len(recipe.labels) > _SHOWN else ''
        named = ', '.join(recipe.labels[:_SHOWN]) + more
        lines.append(f'labels       {len(recipe.labels)}: {named}')
    lines += [f'template     {template}' for template in recipe.templates or []]
    if recipe.multi_class:
        least = '' if recipe.threshold is None else f', shown from {recipe.threshold:.2f} on'
        lines.append(f'answers      several labels per video{least}')
    return lines


def _words(adapter: Mapping[str, Any] | None) -> str:
    if not adapter:
        return 'none'
    rest = ', '.join(f'{k}={v}' for k, v in adapter.items() if k != 'type')
    return f'{adapter["type"]}({rest})'


def publish(checkpoint: Checkpoint, folder: str | Path, licence: str, name: str) -> None:
    """Make a folder to push: the trained tensors alone, and a card.

    Raises:
        CheckpointError: the folder has something in it, or no licence is given.
    """
    folder = Path(folder)
    if not licence.strip():
        raise CheckpointError('a card needs a licence for the trained weights, such as cc-by-4.0')
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f'{folder}: exists already; name a new or empty folder')
    folder.mkdir(parents=True, exist_ok=True)
    save_state(checkpoint.state_dict, folder / 'adapters.pth', metrics_of(checkpoint))
    write_text(folder / 'README.md', card(checkpoint, licence, name))


def save_state(
    state: Mapping[str, torch.Tensor], path: str | Path, metrics: Mapping[str, float] | None = None
) -> None:
    """Write a checkpoint with nothing but trained tensors, whole or not at all."""
    content = {'state_dict': dict(state), 'meta': {'metrics': dict(metrics or {})}}
    write_whole(path, lambda temporary: torch.save(content, os.fspath(temporary)))


def card(checkpoint: Checkpoint, licence: str, name: str) -> str:
    """Return a model card in Markdown, with the front matter that model hubs read."""
    info, facts = foundation_info(checkpoint), checkpoint.facts
    source = (
        f'{info.note} ({info.file}), from {info.source}; licence: {info.licence}'
        if info
        else f'{facts.foundation["type"]} {facts.foundation["arch"]}'
    )
    metrics = metrics_of(checkpoint)
    rows = [f'| {key} | {value:.4f} |' for key, value in metrics.items()]
    table = ['| metric | value |', '|---|---|', *rows] if rows else ['No metrics were recorded.']
    total = sum(tensor.numel() for tensor in checkpoint.trained.values())
    lines = [
        '---',
        f'license: {licence}',
        'pipeline_tag: video-classification',
        'tags: [video, video-language, adapter, msta]',
        '---',
        '',
        f'# {name}',
        '',
        f'{total:,} trained parameters: `{_words(facts.adapter)}`.',
        '',
        'The foundation is not in this file and comes under its own terms:',
        '',
        f'- {source}',
        f'- fingerprint `{facts.fingerprint}`; loading on any other weights is refused',
        '',
        '## Metrics',
        '',
        *table,
        '',
        '## Use',
        '',
        '    tools/infer.py VIDEO --checkpoint adapters.pth --foundation FILE'
        + ('' if checkpoint.recipe.labels else ' --labels "a, b, c"'),
        '',
    ]
    return '\n'.join(lines)
