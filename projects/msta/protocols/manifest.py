"""What a result was made from: hashes, seeds, versions. Decides what need not be done again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_json
from ..labels import read_labels
from .definitions import ProtocolError

if TYPE_CHECKING:
    from mmengine.config import Config

_PACKAGES = (
    'torch', 'torchvision', 'mmengine', 'mmcv-lite', 'mmcv', 'mmaction2', 'numpy', 'av', 'decord',
)  # fmt: skip
# Where things lie and how fast they are read is not part of a recipe.
_NOT_OF_A_RECIPE = frozenset([
    'ann_file', 'batch_size', 'data_prefix', 'num_workers', 'persistent_workers', 'pin_memory',
    'prefetch_factor',
])  # fmt: skip


def training_identity(cfg: Config, processes: int) -> dict[str, Any]:
    """Everything that decides the weights a training ends with."""
    loader = _without(cfg.train_dataloader, _NOT_OF_A_RECIPE)
    hooks = cfg.get('custom_hooks')
    recipe = [_model(cfg), loader, cfg.optim_wrapper, cfg.param_scheduler, hooks]
    return {
        'seed': cfg.randomness.seed,
        'epochs': cfg.train_cfg.max_epochs,
        'batch': processes * cfg.train_dataloader.batch_size,
        'validated': cfg.get('val_cfg') is not None,
        'recipe': digest_of(recipe),
        'train_list': digest_of_file(cfg.train_dataloader.dataset.ann_file),
        'labels': digest_of(class_names(cfg)),
        'descriptions': _digest_of_descriptions(cfg),
        'foundation': _digest_of_foundation(cfg),
    }


def evaluation_identity(cfg: Config, checkpoint: Path | None) -> dict[str, Any]:
    """Everything that decides a test's result."""
    return {
        'checkpoint': 'frozen' if checkpoint is None else digest_of_file(checkpoint),
        'model': digest_of(_model(cfg)),
        'views': views(cfg),
        'pipeline': digest_of(cfg.test_dataloader.dataset.pipeline),
        'test_list': digest_of_file(cfg.test_dataloader.dataset.ann_file),
        'labels': digest_of(class_names(cfg)),
        'foundation': _digest_of_foundation(cfg),
    }


def _model(cfg: Config) -> dict[str, Any]:
    """The model without the files it names, whose contents are hashed for themselves."""
    model = _without(cfg.model, ('labels', 'descriptions'))
    model['backbone']['foundation'].pop('checkpoint', None)
    return model


def class_names(cfg: Config) -> list[str]:
    """Return the class names that a config's model would have."""
    return read_labels(cfg.model.labels, cfg.model.get('humanize', False))


def views(cfg: Config) -> str:
    """Clips x crops of the test pipeline, e.g. '10 x 3'."""
    clips, crops = 1, 1
    for step in cfg.test_dataloader.dataset.pipeline:
        clips = step.get('num_clips', clips) if 'Sample' in step['type'] else clips
        crops = {'ThreeCrop': 3, 'TenCrop': 10}.get(step['type'], crops)
    return f'{clips} x {crops}'


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; absent ones left out."""
    found = {'python': platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def digest_of(value: Any) -> str:
    """Return a short hash of a plain value or a config."""
    text = json.dumps(_without(value, ()), sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of_file(path: str | Path) -> str:
    """Return a short hash of a file's bytes."""
    stat = Path(path).stat()
    return _digest_of_bytes(str(path), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _digest_of_bytes(path: str, _mtime: int, _size: int) -> str:
    with Path(path).open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()[:16]


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object that was written whole; None without one."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_manifest(folder: Path, **entries: Any) -> None:
    """Add entries to a run's manifest."""
    content = read_json(folder / 'manifest.json') or {}
    write_json(folder / 'manifest.json', {**content, **entries}, indent=1)


def check_same(folder: Path, identity: Mapping[str, Any]) -> None:
    """Refuse to continue a run that was begun with something else.

    Raises:
        ProtocolError: naming what differs.
    """
    begun = (read_json(folder / 'manifest.json') or {}).get('identity')
    if begun is None or begun == dict(identity):
        return
    differ = [
        f'{key}: {begun.get(key)} -> {identity.get(key)}'
        for key in sorted({*begun, *identity})
        if begun.get(key) != identity.get(key)
    ]
    raise ProtocolError(
        f'{folder} holds a run made from something else ({"; ".join(differ)}). Use another '
        '--work-dir to keep both, or --overwrite to train it again'
    )


def _digest_of_descriptions(cfg: Config) -> str | None:
    source = cfg.model.get('descriptions')
    if source is None or not cfg.model.cls_head.get('alpha', 1.0):
        return None
    paths = [source] if isinstance(source, str) else source
    return '+'.join(digest_of_file(path) for path in paths)


def _digest_of_foundation(cfg: Config) -> str:
    checkpoint = cfg.model.backbone.foundation.get('checkpoint')
    if checkpoint is None:
        return 'random'
    path = Path(checkpoint)
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.is_file()]
        return digest_of([digest_of_file(file) for file in files])
    return digest_of_file(path)


def _without(value: Any, names: Iterable[str]) -> Any:
    """A plain copy without the entries of these names, however deep."""
    if isinstance(value, Mapping):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    if isinstance(value, (list, tuple)):
        return [_without(item, names) for item in value]
    return value
