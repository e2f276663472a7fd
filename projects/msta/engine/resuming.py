"""Training that continues under other settings: the rate follows the epoch, changes are named.

MMEngine restores the optimizer's and the schedule's settings with their states, so that a changed
learning rate or schedule is ignored, and counts a schedule in iterations, so that another batch
moves it.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mmengine.optim import OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

# What a schedule keeps of its course; the rest are settings. Base values are the optimizer's.
_COURSE = {'last_step', '_global_step', '_last_value', 'base_values', 'verbose'}
_RESULTS = {'best', 'num_bad_epochs', 'cooldown_counter'}  # of ReduceOnPlateau


class ScheduleError(ValueError):
    """A change of settings with which a training cannot continue."""


class Settings(NamedTuple):
    """What an optimizer's groups and the schedules are set to, before a checkpoint is read."""

    groups: list[dict[str, Any]]
    schedules: list[dict[str, Any]]


def settings_of(runner: Runner) -> Settings:
    """Return the settings that the config gives, to be compared with what a checkpoint restores."""
    return Settings(
        [{k: copy.copy(v) for k, v in g.items() if k != 'params'} for g in _groups(runner)],
        [copy.deepcopy(schedule.state_dict()) for schedule in _schedules(runner)],
    )


def check_optimizer(runner: Runner, checkpoint: dict[str, Any]) -> None:
    """Refuse a checkpoint of another kind of optimizer, before its state is read.

    Raises:
        ScheduleError: Naming what its state lacks.
    """
    saved = checkpoint.get('optimizer', {}).get('param_groups') or [{}]
    lacking = {key for group in _groups(runner) for key in group} - saved[0].keys()
    if saved[0] and lacking - {f'initial_{key}' for key in saved[0]}:
        raise ScheduleError(
            'the checkpoint was written with another kind of optimizer, its state has no '
            f'{", ".join(sorted(lacking))}: training cannot continue with this one. Keep '
            'optim_wrapper.optimizer.type, or start over from its weights: --cfg-options '
            'load_from=FILE'
        )


def continue_with(runner: Runner, given: Settings, within_epoch: bool = False) -> list[str]:
    """Apply the config's settings to a training that a checkpoint has just been read into.

    Where nothing differs, the state stays as the checkpoint has it, to the last bit. Otherwise the
    schedule is stepped to the epoch at hand.

    Args:
        runner: After its ``resume``.
        given: Its settings from before.
        within_epoch: Whether the checkpoint is from the middle of an epoch.

    Returns:
        What differs, as ``setting: old -> new``.

    Raises:
        ScheduleError: Something differs, and a schedule depends on past results.
    """
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    length = len(loop.dataloader) if by_epoch else 0
    changes = list(dict.fromkeys(_differences(runner, given)))
    if by_epoch and not within_epoch and runner.iter != runner.epoch * length:
        before = runner.iter / max(runner.epoch, 1)
        changes.append(f'iterations per epoch (batch, processes, videos): {before:g} -> {length}')
        loop._iter = runner.epoch * length
    if not changes:
        return []
    if any(hasattr(schedule, 'num_bad_epochs') for schedule in _schedules(runner)):
        raise ScheduleError(
            f'settings differ from the checkpoint ({"; ".join(changes)}), and the schedule depends '
            'on past results: where it would be is not known. Keep the settings, or start over '
            'from its weights: --cfg-options load_from=FILE'
        )
    for group, settings in zip(_groups(runner), given.groups, strict=True):
        group.update(settings)
    schedules = _schedules(runner)
    for schedule, state in zip(schedules, given.schedules, strict=True):
        for key in set(vars(schedule)) - set(state) - {'optimizer'}:
            delattr(schedule, key)
        schedule.load_state_dict(copy.deepcopy(state))
    _step_to(schedules, runner.epoch, length, runner.iter - runner.epoch * length)
    return changes


def _groups(runner: Runner) -> list[dict[str, Any]]:
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return [group for each in wrappers for group in each.optimizer.param_groups]


def _schedules(runner: Runner) -> list[_ParamScheduler]:
    return flatten(runner.param_schedulers or [])


def flatten(schedules: Any) -> list[_ParamScheduler]:
    """Return the schedules of one optimizer, or of several by name, as one list."""
    each = schedules.values() if isinstance(schedules, dict) else [schedules]
    return [schedule for several in each for schedule in several]


def _differences(runner: Runner, given: Settings) -> Iterator[str]:
    for restored, settings in zip(_groups(runner), given.groups, strict=True):
        for key, new in settings.items():
            if f'initial_{key}' not in settings and _plain(restored[key]) != _plain(new):
                yield f'{key.removeprefix("initial_")}: {restored[key]} -> {new}'
    schedules = _schedules(runner)
    for schedule, settings in zip(schedules, given.schedules, strict=True):
        state = schedule.state_dict()
        for key in sorted((settings.keys() | state.keys()) - _COURSE - _RESULTS):
            old, new = state.get(key), settings.get(key)
            if _plain(old) != _plain(new):
                yield f'{type(schedule).__name__}.{key}: {old} -> {new}'


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _step_to(schedules: Sequence[_ParamScheduler], epochs: int, length: int, more: int) -> None:
    """Step schedules as training does: each iteration, and each epoch."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that the optimizer makes no steps in between
        for epoch in range(epochs + 1):
            for _ in range(length if epoch < epochs else more):
                for schedule in schedules:
                    if not schedule.by_epoch:
                        schedule.step()
            for schedule in schedules:
                if schedule.by_epoch and epoch < epochs:
                    schedule.step()
