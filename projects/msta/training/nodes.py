"""Several machines train or test one thing: the same settings, files and code on each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..paths import ROOT
from ..spelling import few
from .config import ConfigError

_PACKAGES = ('torch', 'mmengine', 'mmcv-lite', 'mmaction2')

# Setting or file -> what must be the same.
Facts = dict[str, str]


def check_nodes(cfg: Config) -> None:
    """Compare what the machines of a run are set to; with one machine, do nothing.

    Absolute paths may differ from machine to machine, what the files hold may not.

    Raises:
        ConfigError: On every machine, with what differs and both values.
    """
    nodes = int(os.environ.get('GROUP_WORLD_SIZE') or os.environ.get('SLURM_NNODES') or 1)
    if cfg.get('launcher', 'none') == 'none' or nodes < 2:
        return
    from mmengine.dist import init_dist
    from torch import distributed

    if not distributed.is_initialized():  # as the Runner would
        init_dist(cfg.launcher, **(cfg.get('env_cfg') or {}).get('dist_cfg', {}))
    mine = facts_of(cfg) if os.environ.get('LOCAL_RANK', '0') == '0' else None
    found: list[Facts | None] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, mine)
    first = found[0] or {}
    for rank, other in enumerate(found):
        differences = [
            f'{name}: {first.get(name, "not set")} != {other.get(name, "not set")}'
            for name in dict.fromkeys([*first, *(other or {})])
            if other is not None and first.get(name) != other.get(name)
        ]
        if differences:
            raise ConfigError(
                f'the machines of rank 0 and rank {rank} are not set to the same: '
                f'{few(differences, 3, "; ")}. Their result would be of neither: start the '
                'same command on the same code and the same files on each'
            )


def facts_of(cfg: Config) -> Facts:
    """What a run's result depends on: settings, contents of the files they name, and code."""
    code = hashlib.sha256()
    for file in sorted((ROOT / 'projects' / 'msta').rglob('*.py')):
        code.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    facts = {'code of projects/msta': code.hexdigest()[:16]}
    facts |= {name: version(name) for name in _PACKAGES}
    return facts | dict(_settings('', cfg.to_dict(), ''))


def _settings(path: str, value: Any, root: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        root = value.get('data_root') or root
        for key, item in value.items():
            yield from _settings(f'{path}.{key}'.lstrip('.'), item, root)
    elif isinstance(value, (list, tuple)) and any(isinstance(v, (dict, str)) for v in value):
        for number, item in enumerate(value):
            yield from _settings(f'{path}.{number}', item, root)
    elif isinstance(value, str) and (file := Path(root, value)).is_file():
        with file.open('rb') as stream:
            digest = hashlib.file_digest(stream, 'sha256').hexdigest()[:16]
        yield path, f'content of sha256 {digest}'
    elif isinstance(value, str) and Path(value).is_absolute():
        yield path, 'a path'
    else:
        yield path, repr(value)
