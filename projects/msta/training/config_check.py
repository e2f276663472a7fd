"""Misspelt keys, types and arguments of a config, found before anything is built from it.

What nothing reads would be ignored in silence (``train_dataloder``), and what a class does not take
comes up late, in the words of that class. Here each is named with its place in the config and the
nearest valid name, all of them at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..spelling import did_you_mean, nearest

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.registry import Registry


class ConfigError(ValueError):
    """A config file, or a setting of the command line, that cannot be used."""


# Top-level settings that MMEngine's Runner or the tools read.
# fmt: off
SETTINGS = frozenset([
    'activation_checkpointing', 'auto_scale_lr', 'compile', 'custom_hooks', 'custom_imports',
    'data_preprocessor', 'default_hooks', 'default_scope', 'env_cfg', 'experiment_name',
    'find_unused_parameters', 'launcher', 'load_from', 'log_level', 'log_processor', 'model',
    'model_wrapper_cfg', 'optim_wrapper', 'param_scheduler', 'randomness', 'resume',
    'runner_type', 'sync_bn', 'test_cfg', 'test_dataloader', 'test_evaluator', 'test_pipeline',
    'train_cfg', 'train_dataloader', 'val_cfg', 'val_dataloader', 'val_evaluator', 'vis_backends',
    'visualizer', 'work_dir',
])
# fmt: on
# A variable of the user's own may resemble a setting a little: only what is very near is one.
_MISSPELT = 0.85

# Keys that the builder takes from a section before the class sees it.
_TAKEN = {
    'OPTIM_WRAPPERS': {'constructor', 'optimizer', 'paramwise_cfg'},
    'PARAM_SCHEDULERS': {'convert_to_iter_based'},
    'HOOKS': {'priority'},
}
_LOADER = {'batch_sampler', 'collate_fn', 'dataset', 'num_batch_per_epoch', 'sampler'}

Found = Iterator[str]


def check_settings(cfg: Config) -> None:
    """Reject a top-level name that is likely a misspelt setting.

    Other names stay: a config may have variables of its own.

    Raises:
        ConfigError: with every such name and the setting that it resembles.
    """
    problems = [
        f'{key}: nothing reads a setting of this name{did_you_mean(key, SETTINGS, _MISSPELT)}'
        for key in cfg
        if key not in SETTINGS and nearest(key, SETTINGS, _MISSPELT)
    ]
    _raise(cfg, problems)


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Refuse ``--cfg-options`` whose path leads nowhere, before they are merged.

    The last part of a path may be new, as may sections that resemble none of those that are there;
    what takes them is asked by :func:`check_parts`.

    Raises:
        ConfigError: with every such option and the nearest name at the place where its path ends.
    """
    problems = []
    for option in options:
        first, *rest = option.split('.')
        if first not in cfg and first not in SETTINGS:
            hint = did_you_mean(first, [*cfg, *SETTINGS])
            problems.append(f'--cfg-options {option}: the config has no {first!r}{hint}')
            continue
        node = cfg.get(first)
        for depth, key in enumerate(rest[:-1], 1):
            if isinstance(node, (list, tuple)) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            elif isinstance(node, Mapping) and key in node:
                node = node[key]
            else:
                known = list(node) if isinstance(node, Mapping) else []
                hint = did_you_mean(key, known, 0.8)
                if hint:
                    place = '.'.join([first, *rest[: depth - 1]])
                    problems.append(f'--cfg-options {option}: {place} has no {key!r}{hint}')
                break
    _raise(cfg, problems)


def check_parts(cfg: Config) -> None:
    """Refuse types that are not registered, and arguments that their classes do not take.

    The parts must have been imported (``custom_imports``).

    Raises:
        ConfigError: with every problem, its place, and the nearest valid name.
    """
    _raise(cfg, list(_problems(cfg)))


def datasets_of(cfg: Config, part: str) -> Iterator[tuple[str, Any]]:
    """Place and section of each data set of a ``part`` ('train', ...), wrappers first."""
    loader = f'{part}_dataloader'
    pending = [(f'{loader}.dataset', (cfg.get(loader) or {}).get('dataset'))]
    for place, dataset in pending:  # grows as it goes
        if isinstance(dataset, Mapping):
            yield place, dataset
            pending.append((f'{place}.dataset', dataset.get('dataset')))
            inner = enumerate(dataset.get('datasets') or ())
            pending += [(f'{place}.datasets.{n}', section) for n, section in inner]


def _raise(cfg: Config, problems: list[str]) -> None:
    if problems:
        name = getattr(cfg, 'filename', None)
        raise ConfigError((f'{name}: ' if name else '') + '\n  '.join(problems))


# Section -> the registry of its type; deeper ones are built by classes in ways of their own.
_SECTIONS = {
    'model': 'MODELS',
    'model.backbone': 'MODELS',
    'model.cls_head': 'MODELS',
    'model.data_preprocessor': 'MODELS',
    'optim_wrapper': 'OPTIM_WRAPPERS',
    'optim_wrapper.optimizer': 'OPTIMIZERS',
    'param_scheduler': 'PARAM_SCHEDULERS',
    'custom_hooks': 'HOOKS',
    'visualizer': 'VISUALIZERS',
    'visualizer.vis_backends': 'VISBACKENDS',
}


def _problems(cfg: Config) -> Found:
    from mmaction import registry

    def check(place: str, section: Any, kind: str) -> Found:
        if isinstance(section, Mapping):
            yield from _typed(place, section, getattr(registry, kind), _TAKEN.get(kind, set()))
        elif isinstance(section, (list, tuple)):
            for index, item in enumerate(section):
                if isinstance(item, Mapping):
                    yield from check(f'{place}.{index}', item, kind)

    for place, kind in _SECTIONS.items():
        section = cfg.get(place.split('.')[0]) or {}
        for key in place.split('.')[1:]:
            section = section.get(key) or {}
        if kind == 'OPTIM_WRAPPERS' and section:
            section = {'type': 'OptimWrapper', **section}
        elif kind == 'PARAM_SCHEDULERS' and isinstance(section, Mapping):
            section = section if 'type' in section else {}  # a list per optimizer
        own_way = kind.startswith('OPTIM') and 'constructor' in (cfg.get('optim_wrapper') or {})
        if section and not own_way:
            yield from check(place, section, kind)
    for name, hook in (cfg.get('default_hooks') or {}).items():
        yield from check(f'default_hooks.{name}', hook, 'HOOKS')
    for part in ('train', 'val', 'test'):
        if 'type' in (cfg.get(f'{part}_cfg') or {}):
            yield from check(f'{part}_cfg', cfg[f'{part}_cfg'], 'LOOPS')
        yield from check(f'{part}_evaluator', cfg.get(f'{part}_evaluator'), 'METRICS')
        yield from _loader(f'{part}_dataloader', cfg.get(f'{part}_dataloader') or {}, check)
        for place, dataset in datasets_of(cfg, part):
            yield from check(place, dataset, 'DATASETS')
            yield from check(f'{place}.pipeline', dataset.get('pipeline'), 'TRANSFORMS')


def _loader(place: str, loader: Mapping[str, Any], check: Callable[..., Found]) -> Found:
    from torch.utils.data import DataLoader

    known = _parameters(DataLoader) or set()
    yield from _unknown(place, 'DataLoader', set(loader), known | _LOADER)
    for name in ('sampler', 'batch_sampler'):
        yield from check(f'{place}.{name}', loader.get(name), 'DATA_SAMPLERS')


def _typed(place: str, part: Mapping[str, Any], registry: Registry, taken: set[str]) -> Found:
    kind = part.get('type')
    if kind is None:
        yield f"{place}: a 'type' is needed, there is {sorted(part)}"
        return
    found = registry.get(kind) if isinstance(kind, str) else kind
    if found is None and '.' in kind:  # of another package, as torchvision.resnet50
        return
    if found is None:
        names = _registered(registry)
        yield f'{place}: no {registry.name} is called {kind!r}{did_you_mean(kind, names)}'
        return
    known = _parameters(found)
    if known is not None:
        given = {key for key in part if key not in ('type', '_scope_')} - taken
        yield from _unknown(place, found.__name__, given, known)


def _unknown(place: str, owner: str, given: set[str], known: set[str]) -> Found:
    for key in sorted(given - known):
        hint = did_you_mean(key, known) or f'; it takes {", ".join(sorted(known))}'
        yield f'{place}: {owner} takes no {key!r}{hint}'


def _registered(registry: Registry | None) -> set[str]:
    names: set[str] = set()
    while registry is not None:
        names |= set(registry.module_dict)
        registry = registry.parent
    return names


def _parameters(made: Any) -> set[str] | None:
    """Names that a class or function takes by keyword; None where it takes any."""
    owners = [c for c in made.__mro__ if '__init__' in vars(c)] if inspect.isclass(made) else [made]
    known: set[str] = set()
    for owner in owners:
        call = owner.__init__ if inspect.isclass(owner) else owner
        try:
            parameters = inspect.signature(call).parameters.values()
        except (TypeError, ValueError):  # written in C
            return None
        known |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            return known - {'self'}
    return None
