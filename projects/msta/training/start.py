"""What a run needs is looked for before torch is loaded; a start that fails leaves nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..labels import read_labels
from ..spelling import similar
from .config_check import datasets_of

if TYPE_CHECKING:
    from mmengine.config import Config


def check_files(cfg: Config, training: bool) -> None:
    """Look for the files that a config names: weights, class list, descriptions, video lists.

    Raises:
        FileNotFoundError: One is missing, saying what to do.
        LabelError: The class list cannot be read.
        DescriptionError: The descriptions cannot be read, or are of other classes.
    """
    check_weights(cfg)
    model: Any = cfg.get('model') or {}
    labels = model.get('labels')
    if labels is not None:
        names = read_labels(labels, bool(model.get('humanize')))
        if training and model.get('descriptions') and (model.get('cls_head') or {}).get('alpha', 1):
            from ..descriptions import read_descriptions

            read_descriptions(model.descriptions, names)
    for part in ('train', 'val') if training else ('test',):
        for _, dataset in datasets_of(cfg, part):
            if dataset.get('ann_file'):
                _find_list(part, dataset)


def check_weights(cfg: Config) -> None:
    """Look for the foundation's weights.

    Raises:
        FileNotFoundError: They are missing, saying where they are to be had.
    """
    foundation: Any = ((cfg.get('model') or {}).get('backbone') or {}).get('foundation') or {}
    weights = foundation.get('checkpoint')
    if weights is not None and not Path(weights).exists():
        from ..foundation.weights import describe_missing

        kind, arch = foundation.get('type', ''), foundation.get('arch')
        raise FileNotFoundError(describe_missing(os.path.normpath(weights), kind, arch))


def _find_list(part: str, dataset: Any) -> None:
    path = Path(dataset.get('data_root') or '', dataset.ann_file)
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = similar(path.name, beside, cutoff=0.5)
        hint = f'; its folder has {", ".join(near)}' if near else ''
        raise FileNotFoundError(
            f'{part}_dataloader: no list of videos {path}{hint}. Make it (docs/data.md), or name '
            f'another: --cfg-options {part}_dataloader.dataset.ann_file=FILE'
        )


@contextmanager
def folder_of_success(folder: Path) -> Iterator[None]:
    """Remove a folder that was not there before, if what fills it fails before any checkpoint."""
    before = folder.exists()
    try:
        yield
    except BaseException:
        if not before and folder.is_dir() and not any(folder.rglob('*.pth')):
            shutil.rmtree(folder, ignore_errors=True)
        raise
