"""Misspelt keys, types and arguments of a config, found before anything is built from it.

What nothing reads would be ignored in silence (``train_dataloder``), and what a class does not take
comes up late, in the words of that class. Here each is named with its place in the config and the
nearest valid name, all of them at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
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
    'optim_wrapper': {'constructor', 'optimizer', 'paramwise_cfg'},
    'param_scheduler': {'convert_to_iter_based'},
    'hook': {'priority'},
}
_LOADER = {'batch_sampler', 'collate_fn', 'dataset', 'num_batch_per_epoch', 'sampler'}

Found = Iterator[str]


def check_settings(cfg: Config) -> None:
    """Refuse a top-level name that is a setting but for a slip of the finger.

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


def _raise(cfg: Config, problems: list[str]) -> None:
    if problems:
        name = getattr(cfg, 'filename', None)
        raise ConfigError((f'{name}: ' if name else '') + '\n  '.join(problems))


def _problems(cfg: Config) -> Found:
    from mmaction import registry

    if cfg.get('model'):
        yield from _typed('model', cfg.model, registry.MODELS)
        # Deeper ones are the model's own: classes have their own ways to build what they hold.
        for name in ('backbone', 'cls_head', 'data_preprocessor'):
            if isinstance(cfg.model.get(name), Mapping):
                yield from _typed(f'model.{name}', cfg.model[name], registry.MODELS)
    for part in ('train', 'val', 'test'):
        if cfg.get(f'{part}_dataloader'):
            yield from _loader(f'{part}_dataloader', cfg[f'{part}_dataloader'])
        if cfg.get(f'{part}_cfg') and 'type' in cfg[f'{part}_cfg']:
            yield from _typed(f'{part}_cfg', cfg[f'{part}_cfg'], registry.LOOPS)
        if cfg.get(f'{part}_evaluator'):
            yield from _each(f'{part}_evaluator', cfg[f'{part}_evaluator'], registry.METRICS)
    yield from _optimization(cfg)
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if hook is not None:
            yield from _typed(f'default_hooks.{name}', hook, registry.HOOKS, _TAKEN['hook'])
    yield from _each('custom_hooks', cfg.get('custom_hooks') or [], registry.HOOKS, _TAKEN['hook'])
    if cfg.get('visualizer'):
        yield from _typed('visualizer', cfg.visualizer, registry.VISUALIZERS)
        backends = cfg.visualizer.get('vis_backends') or []
        yield from _each('visualizer.vis_backends', backends, registry.VISBACKENDS)


def _optimization(cfg: Config) -> Found:
    from mmaction import registry

    wrapper = cfg.get('optim_wrapper') or {}
    if 'constructor' not in wrapper and wrapper:
        given = {'type': 'OptimWrapper', **wrapper}
        yield from _typed('optim_wrapper', given, registry.OPTIM_WRAPPERS, _TAKEN['optim_wrapper'])
        if isinstance(wrapper.get('optimizer'), Mapping):
            yield from _typed('optim_wrapper.optimizer', wrapper['optimizer'], registry.OPTIMIZERS)
    schedulers = cfg.get('param_scheduler') or []
    if not isinstance(schedulers, Mapping) or 'type' in schedulers:  # else one list an optimizer
        registered = registry.PARAM_SCHEDULERS
        yield from _each('param_scheduler', schedulers, registered, _TAKEN['param_scheduler'])


def _loader(place: str, loader: Mapping[str, Any]) -> Found:
    from mmaction import registry
    from torch.utils.data import DataLoader

    known = _parameters(DataLoader) or set()
    yield from _unknown(place, 'DataLoader', set(loader), known | _LOADER)
    for name in ('sampler', 'batch_sampler'):
        if isinstance(loader.get(name), Mapping):
            yield from _typed(f'{place}.{name}', loader[name], registry.DATA_SAMPLERS)
    dataset, inner = loader.get('dataset'), f'{place}.dataset'
    while isinstance(dataset, Mapping):
        yield from _typed(inner, dataset, registry.DATASETS)
        pipeline = dataset.get('pipeline')
        if isinstance(pipeline, (list, tuple)):
            yield from _each(f'{inner}.pipeline', pipeline, registry.TRANSFORMS)
        dataset, inner = dataset.get('dataset'), f'{inner}.dataset'


def _each(place: str, section: Any, registry: Registry, taken: set[str] | None = None) -> Found:
    if isinstance(section, Mapping):
        yield from _typed(place, section, registry, taken)
    elif isinstance(section, (list, tuple)):
        for index, item in enumerate(section):
            if isinstance(item, Mapping):
                yield from _typed(f'{place}.{index}', item, registry, taken)


def _typed(
    place: str, part: Mapping[str, Any], registry: Registry, taken: set[str] | None = None
) -> Found:
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
        given = {key for key in part if key not in ('type', '_scope_')} - (taken or set())
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
