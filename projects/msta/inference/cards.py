"""What a checkpoint says of itself, as text and as a card to publish it with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ..files import check_target, replacing, write_text
from ..foundation.weights import KNOWN_WEIGHTS
from ..models.checkpoints import Checkpoint, CheckpointError
from ..spelling import few


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


def summary(checkpoint: Checkpoint) -> str:
    """What is in a file, for which foundation, with which metrics."""
    facts, recipe, trained = checkpoint.facts, checkpoint.recipe, checkpoint.trained
    meta = checkpoint.extras.get('meta') or {}
    sizes: dict[str, int] = {}
    for name, tensor in trained.items():
        block = '.'.join(name.removeprefix('backbone.adapter.').split('.')[:2])
        sizes[block] = sizes.get(block, 0) + tensor.numel()
    total = sum(sizes.values())
    rows = [
        ('file', f'{checkpoint.path} ({checkpoint.path.stat().st_size:,} bytes)'),
        ('foundation', f'{facts.foundation["type"]} {facts.foundation["arch"]}'),
        ('fingerprint', facts.fingerprint),
        ('adapter', _adapter(checkpoint)),
        ('trained', f'{total:,} parameters in {len(trained)} tensors'),
        *((f'  {block:<24}', f'{size:>12,}') for block, size in sizes.items()),
    ]
    if recipe.labels:
        rows.append(('labels', f'{len(recipe.labels)}: {few(recipe.labels, 8)}'))
    rows += [('template', template) for template in recipe.templates or []]
    if recipe.multi_class:
        least = '' if recipe.threshold is None else f', shown from {recipe.threshold:.2f} on'
        rows.append(('answers', f'several labels per video{least}'))
    rows += [(key, str(meta[key])) for key in ('epoch', 'iter', 'time') if key in meta]
    rows += [(name, f'{value:.4f}') for name, value in metrics_of(checkpoint).items()]
    others = [key for key in checkpoint.extras if key != 'meta']
    if others:
        rows.append(('also holds', ', '.join(others)))
    return ''.join(f'{name:<12} {text}\n' for name, text in rows)


def _adapter(checkpoint: Checkpoint) -> str:
    options = dict(checkpoint.facts.adapter or {})
    kind = options.pop('type', None)
    return f'{kind}({", ".join(f"{k}={v}" for k, v in options.items())})' if kind else 'none'


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
    check_target(path)
    with replacing(path) as temporary:
        content = {'state_dict': dict(state), 'meta': {'metrics': dict(metrics or {})}}
        torch.save(content, str(temporary))


def card(checkpoint: Checkpoint, licence: str, name: str) -> str:
    """Return a model card in Markdown, with the front matter that model hubs read."""
    facts, metrics = checkpoint.facts, metrics_of(checkpoint)
    kind, arch = facts.foundation['type'], facts.foundation['arch']
    source = f'{kind} {arch}'
    for info in KNOWN_WEIGHTS.values():
        if (info.kind, info.arch) == (kind, arch):
            source = f'{info.note} ({info.file}), from {info.source}; licence: {info.licence}'
            break
    table = 'No metrics were recorded.'
    if metrics:
        rows = [f'| {key} | {value:.4f} |' for key, value in metrics.items()]
        table = '\n'.join(['| metric | value |', '|---|---|', *rows])
    total = sum(tensor.numel() for tensor in checkpoint.trained.values())
    labels = '' if checkpoint.recipe.labels else ' --labels "a, b, c"'
    return f"""---
license: {licence}
pipeline_tag: video-classification
tags: [video, video-language, adapter, msta]
---

# {name}

{total:,} trained parameters: `{_adapter(checkpoint)}`.

The foundation is not in this file and comes under its own terms:

- {source}
- fingerprint `{facts.fingerprint}`; loading on any other weights is refused

## Metrics

{table}

## Use

    tools/infer.py VIDEO --checkpoint adapters.pth --foundation FILE{labels}
"""
