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
from .config import ConfigError

_PACKAGES = ('torch', 'mmengine', 'mmcv-lite', 'mmaction2')

# What is compared, and how it is named to the user.
Facts = dict[str, tuple[str, str]]


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
        differences = [] if other is None else list(_differences(first, other))
        if differences:
            more = f'; and {len(differences) - 3} more' if len(differences) > 3 else ''
            raise ConfigError(
                f'the machines of rank 0 and rank {rank} are not set to the same: '
                f'{"; ".join(differences[:3])}{more}. Their result would be of neither: start the '
                'same command on the same code and the same files on each'
            )


def facts_of(cfg: Config) -> Facts:
    """What a run's result depends on: settings, contents of the files they name, and code."""
    facts: Facts = {'code of projects/msta': (_digest_of_code(),) * 2}
    facts |= {name: (version(name),) * 2 for name in _PACKAGES}
    return facts | dict(_settings('', cfg.to_dict(), ''))


def _settings(path: str, value: Any, root: str) -> Iterator[tuple[str, tuple[str, str]]]:
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
        yield path, (digest, f'{value} (sha256 {digest})')
    else:
        anywhere = isinstance(value, str) and Path(value).is_absolute()
        yield path, ('a path' if anywhere else repr(value), repr(value))


def _differences(one: Facts, other: Facts) -> Iterator[str]:
    absent = ('', 'not set')
    for name in [*one, *(name for name in other if name not in one)]:
        (mine, shown), (theirs, shown_there) = one.get(name, absent), other.get(name, absent)
        if mine != theirs:
            yield f'{name}: {shown} != {shown_there}'


def _digest_of_code() -> str:
    digest = hashlib.sha256()
    for file in sorted((ROOT / 'projects' / 'msta').rglob('*.py')):
        digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]
