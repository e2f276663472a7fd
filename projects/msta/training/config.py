"""A training config: read, merged with options, checked. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..paths import ROOT
from ..spelling import similar

if TYPE_CHECKING:
    from mmengine.config import Config


class ConfigError(ValueError):
    """A config file, or a setting of the command line, that cannot be used."""


def read_config(path: str | Path) -> Config:
    """Read a config, without importing yet what it asks for.

    Raises:
        FileNotFoundError: If there is none, naming what the folder has.
        ConfigError: If it cannot be read, with the reason, or has a misspelt setting.
    """
    from mmengine.config import Config

    from ..training.config_check import check_settings

    path = Path(path)
    if not path.is_file():
        found = similar(path.name, [p.name for p in path.parent.glob('*.py')], cutoff=0.4)
        hint = f'; there is {", ".join(found)}' if found else ''
        raise FileNotFoundError(f'no config file {path}{hint}')
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except Exception as error:  # a config is Python: anything can happen in it
        raise ConfigError(f'{path} cannot be read: {type(error).__name__}: {error}') from error
    check_settings(cfg)
    return cfg


def merge_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Merge ``--cfg-options`` into a config.

    Raises:
        ConfigError: If a path leads nowhere, naming the nearest that does.
    """
    from ..training.config_check import check_options

    check_options(cfg, options or {})
    try:
        cfg.merge_from_dict(options or {})
    except (KeyError, TypeError) as error:
        raise ConfigError(f'--cfg-options: {error.args[0]}') from error


def use_skip_list(cfg: Config, path: str | Path) -> None:
    """Give ``--skip-list`` to every data set of a config.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise FileNotFoundError(f'no skip list {path}; tools/data/check.py --skip-list writes one')
    for part in ('train', 'val', 'test'):
        dataset = (cfg.get(f'{part}_dataloader') or {}).get('dataset')
        while dataset is not None and 'dataset' in dataset:  # wrapped, as by RepeatDataset
            dataset = dataset.dataset
        if dataset is not None:
            dataset.skip_list = str(path)


def set_work_dir(cfg: Config, config: str | Path, work_dir: str | None) -> None:
    """Choose the work folder: the command line's, else the config's, else work_dirs/CONFIG."""
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(ROOT / 'work_dirs' / Path(config).stem)


def pipeline_of(cfg: Config) -> list[dict[str, Any]]:
    """The pipeline that ``tools/test.py`` runs.

    Raises:
        ConfigError: If the config has none.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    pipeline = dataset.get('pipeline') or cfg.get('test_pipeline')
    if not pipeline:
        raise ConfigError('the config has no test pipeline: test_dataloader.dataset.pipeline')
    return [dict(step) for step in pipeline]
