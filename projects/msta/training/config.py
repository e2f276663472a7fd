"""A training config: read, merged with options, checked. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import compat
from ..paths import CONFIGS, ROOT
from ..spelling import similar
from .config_check import ConfigError, check_options, check_settings, datasets_of
from .options import option_values

if TYPE_CHECKING:
    from mmengine.config import Config


def read_config(config: str | Path) -> Config:
    """Read a config, without importing yet what it asks for.

    Args:
        config: Its file, or a preset: the name of one in ``configs/``.

    Raises:
        FileNotFoundError: There is no such file, naming the nearest.
        ConfigError: It cannot be read, with the reason, or has a misspelt setting.
    """
    from mmengine.config import Config

    path = find_config(config)
    compat.quote_config_paths()
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except Exception as error:  # a config is Python: anything can happen in it
        raise ConfigError(f'{path} cannot be read: {type(error).__name__}: {error}') from error
    check_settings(cfg)
    return cfg


def find_config(config: str | Path) -> Path:
    """Find a config's file; ``config`` may be the name of a preset, without ``.py``.

    Raises:
        FileNotFoundError: There is none, naming the nearest.
    """
    path = Path(config)
    if path.is_file():
        return path
    presets = {p.stem: p for p in CONFIGS.rglob('*.py') if '_base_' not in p.parts}
    if path.name == str(config) and path.name in presets:
        return presets[path.name]
    beside = [p.name for p in path.parent.glob('*.py')] if path.suffix == '.py' else []
    near = similar(path.name, beside, cutoff=0.4) or similar(path.name, presets, cutoff=0.4)
    hint = f'; there is {", ".join(near)}' if near else f'; presets are those in {CONFIGS}'
    raise FileNotFoundError(f'no config file {path}{hint}')


def merge_options(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Merge settings by path, as ``--cfg-options`` gives them, into a config.

    Text is read as :func:`.options.option_values` says; other values are taken as they are.

    Raises:
        ConfigError: A path leads nowhere, naming the nearest that does.
    """
    check_options(cfg, options or {})
    try:
        cfg.merge_from_dict(option_values(cfg, options))
    except (KeyError, TypeError) as error:
        raise ConfigError(f'--cfg-options: {error.args[0]}') from error
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader') or {}
        if loader.get('num_workers') == 0:  # what is for workers alone, DataLoader would refuse
            loader.update(persistent_workers=False, prefetch_factor=None)


def use_skip_list(cfg: Config, path: str | Path) -> None:
    """Give ``--skip-list`` to every data set of a config.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise FileNotFoundError(f'no skip list {path}; tools/data/check.py --skip-list writes one')
    for part in ('train', 'val', 'test'):
        for _, dataset in datasets_of(cfg, part):
            if not {'dataset', 'datasets'} & set(dataset):  # not a wrapper, as RepeatDataset is
                dataset.skip_list = str(path)


def set_work_dir(cfg: Config, config: str | Path, work_dir: str | Path | None) -> None:
    """Choose the work folder: the command line's, else the config's, else work_dirs/CONFIG."""
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(ROOT / 'work_dirs' / Path(config).stem)


def pipeline_of(cfg: Config) -> list[dict[str, Any]]:
    """Return the pipeline that ``tools/test.py`` runs.

    Raises:
        ConfigError: If the config has none.
    """
    found = [d['pipeline'] for _, d in datasets_of(cfg, 'test') if d.get('pipeline')]
    pipeline = found[0] if found else cfg.get('test_pipeline')
    if not pipeline:
        raise ConfigError('the config has no test pipeline: test_dataloader.dataset.pipeline')
    return [dict(step) for step in pipeline]
