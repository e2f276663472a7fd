"""Training that is told to stop saves where it is, and goes on from there as if never stopped."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from .checkpoints import AtomicLocalBackend

FILENAME = 'interrupted.pth'

# A signal to a process and its group may arrive twice.
_SAME_SIGNAL_SEC = 0.1
_previous: dict[int, Any] = {}


class ResumeError(ValueError):
    """A checkpoint from within an epoch that cannot be continued exactly."""


def restore_signals() -> None:
    """Let signals do again what they did before training began."""
    numbers = list(_previous)
    while _previous:
        number, handler = _previous.popitem()
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


@HOOKS.register_module()
class InterruptionHook(Hook):
    """On SIGTERM (Slurm's preemption, a launcher's end) or SIGINT, save and exit with 143 or 130.

    Training stops after the iteration at hand and writes ``interrupted.pth`` with what the next
    iteration depends on, random states of all processes included. Resuming from it reads past the
    batches of the epoch that are trained already (workers' random states follow from what they
    read) and gives, bit for bit, what uninterrupted training would have. During validation the
    epoch's own checkpoint is there already, and validation is repeated.

    The processes of a run agree on the last iteration by a flag exchanged over gloo while the next
    one runs: no step waits for a device. A second signal to a lone process ends it at once.

    Args:
        signals: names of the signals heeded.
    """

    # After the scheduler's step, and before PlainCheckpointHook makes checkpoints plain.
    priority = 'VERY_LOW'

    def __init__(self, signals: tuple[str, ...] = ('SIGTERM', 'SIGINT')) -> None:
        self.signals = [signal.Signals[name] for name in signals]
        self._received: signal.Signals | None = None
        self._received_at = 0.0
        self._training = False
        self._resumed: dict[str, Any] | None = None
        self._saving: dict[str, Any] | None = None
        self._group: dist.ProcessGroup | None = None
        self._exchange: tuple[Any, torch.Tensor] | None = None

    # ------------------------------------------------------------------ resuming

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Remember where within an epoch the checkpoint was written."""
        self._resumed = checkpoint.get('interrupted')

    def before_train(self, runner: Runner) -> None:
        """Heed signals from now on; continue within an epoch where the checkpoint says so."""
        self._training = True
        if dist.is_initialized() and dist.get_world_size() > 1:
            self._group = dist.new_group(backend='gloo')
        for loader in (runner.train_dataloader, runner.val_loop and runner.val_dataloader):
            if getattr(loader, 'num_workers', 0):
                loader.worker_init_fn = partial(
                    _in_own_group, signals=self.signals, inner=loader.worker_init_fn
                )
        if self._resumed and runner.iter and isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._continue(runner, self._resumed)
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                _previous.setdefault(number, signal.signal(number, self._receive))

    def _continue(self, runner: Runner, resumed: dict[str, Any]) -> None:
        loop = runner.train_loop
        done, length, states = resumed['done'], resumed['length'], resumed['random']
        now = (len(loop.dataloader), runner.world_size)
        if (length, len(states)) != now:
            raise ResumeError(
                f'{FILENAME} was written after {done} of {length} iterations of epoch '
                f'{runner.epoch + 1} by {len(states)} process(es), but now an epoch has {now[0]} '
                f'iterations and there are {now[1]} process(es): the rest of that epoch cannot be '
                'told. Use the same data, batch size and number of processes, or continue from '
                'the last whole epoch: --resume WORK_DIR/epoch_N.pth'
            )
        runner.logger.warning(
            f'Continuing epoch {runner.epoch + 1} after iteration {done} of {length}: reading past '
            'the batches that were trained before the interruption'
        )
        loop.dataloader = _RestOfEpoch(loop.dataloader, done, states[runner.rank])

    def before_train_epoch(self, runner: Runner) -> None:
        """Put signals off while the epoch's workers and decoding processes start.

        Until they are in a group of their own, a signal to the training's would end them.
        """
        if _previous:
            signal.pthread_sigmask(signal.SIG_BLOCK, self.signals)

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Take signals again."""
        if _previous:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self.signals)

    before_val_epoch = before_train_epoch
    before_val_iter = before_train_iter

    def after_train_epoch(self, runner: Runner) -> None:
        """Drop what stood for the middle of the epoch, now that its end is saved."""
        loader = runner.train_loop.dataloader
        if isinstance(loader, _RestOfEpoch):
            runner.train_loop.dataloader = loader.whole
        pointer = Path(runner.work_dir, 'last_checkpoint')
        replaced = pointer.is_file() and Path(pointer.read_text()).name != FILENAME
        if runner.rank == 0 and replaced:
            Path(runner.work_dir, FILENAME).unlink(missing_ok=True)

    def after_train(self, runner: Runner) -> None:
        """Leave signals to others."""
        self._training = False
        self._settle()
        self._group = None
        restore_signals()

    # ------------------------------------------------------------------ stopping

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is None:
            self._received, self._received_at = signal.Signals(number), time.monotonic()
        elif self._group is None and time.monotonic() - self._received_at > _SAME_SIGNAL_SEC:
            restore_signals()
            os.kill(os.getpid(), number)

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Save and leave, if that was asked for."""
        number = self._agreed()
        if not number:
            return
        loop = runner.train_loop
        meta = {'epoch': runner.epoch, 'iter': runner.iter + 1}
        if isinstance(loop, EpochBasedTrainLoop):
            skipped = getattr(loop.dataloader, 'done', 0)
            self._saving = {
                'done': skipped + batch_idx + 1,
                'length': skipped + len(loop.dataloader),
                'random': self._random_states(runner),
            }
        runner.save_checkpoint(
            runner.work_dir,
            FILENAME,
            meta=meta,
            by_epoch=False,
            backend_args={'backend': 'atomic_local'},
        )
        path = str(Path(runner.work_dir, FILENAME))
        if runner.rank == 0:
            AtomicLocalBackend().put_text(path, Path(runner.work_dir, 'last_checkpoint'))
        self._leave(runner, number, f'saved {path} after iteration {runner.iter + 1}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add what continues an epoch."""
        if self._saving is not None:
            checkpoint['interrupted'] = self._saving

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Leave validation, which is repeated on resuming, if that was asked for."""
        if self._training and self._received is not None:
            last = runner.message_hub.runtime_info.get('last_ckpt')
            self._leave(runner, self._received, f'the last checkpoint is {last}')

    def _leave(self, runner: Runner, number: int, where: str) -> None:
        self._training = False
        self._settle()
        restore_signals()
        runner.logger.warning(
            f'Interrupted by {signal.Signals(number).name} in epoch '
            f'{runner.epoch + (1 if self._saving else 0)}; {where}; the same command with '
            f'--resume continues. Exit status {128 + number}'
        )
        raise SystemExit(128 + number)

    def _agreed(self) -> int:
        """The signal that every process stops for after this iteration, or 0."""
        mine = int(self._received or 0)
        if self._group is None:
            return mine
        agreed = self._settle()
        if not agreed:
            flag = torch.tensor(mine)
            work = dist.all_reduce(flag, dist.ReduceOp.MAX, self._group, async_op=True)
            self._exchange = work, flag
        return agreed

    def _settle(self) -> int:
        """The outcome of the exchange begun an iteration ago."""
        if self._exchange is None:
            return 0
        (work, flag), self._exchange = self._exchange, None
        work.wait()
        return int(flag)

    def _random_states(self, runner: Runner) -> list[dict[str, Any]]:
        """The random states of all processes, by rank."""
        states = [_random_state()] * runner.world_size
        if self._group is not None:
            dist.all_gather_object(states, _random_state(), self._group)
        return states


class _RestOfEpoch:
    """A loader's batches after the first ``done``, which are read, since workers' random states
    follow from what they read, and dropped.
    """

    def __init__(self, whole: Any, done: int, state: dict[str, Any]) -> None:
        self.whole, self.done, self.state = whole, done, state

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def __len__(self) -> int:
        return len(self.whole) - self.done

    def __iter__(self) -> Iterator[Any]:
        for index, batch in enumerate(self.whole):
            if index >= self.done:
                yield batch
            elif index == self.done - 1:
                # Before the next is read: without workers it is read with the process's state.
                _set_random_state(self.state)


def _random_state() -> dict[str, Any]:
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        'python': random.getstate(),
        'numpy': np.random.get_state(),  # noqa: NPY002 - the transforms draw from the global state
        'torch': torch.get_rng_state(),
        'cuda': devices,
    }


def _set_random_state(state: dict[str, Any]) -> None:
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state['numpy']
    np.random.set_state((name, np.asarray(keys, np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([each.cpu() for each in state['cuda']])


def _in_own_group(
    worker_id: int, signals: list[signal.Signals], inner: Callable[[int], None] | None
) -> None:
    """Start a loader's worker where signals to the training's group, as from a terminal or a
    launcher, do not end it: the batches at hand are still wanted.
    """
    os.setpgrp()
    while signal.sigtimedwait(signals, 0):
        pass  # what was sent to the group that it has left
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    if inner is not None:
        inner(worker_id)
