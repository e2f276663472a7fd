"""Training that is told to stop saves where it is, and goes on from there as if never stopped."""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..datasets.random_state import random_state, set_random_state
from .batches import ResumeError, SeededBatches
from .checkpoints import AtomicLocalBackend

FILENAME = 'interrupted.pth'

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# A signal to a process and its group may arrive twice.
_SAME_SIGNAL_SEC = 0.1
_previous: dict[int, Any] = {}


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

    Training stops after the iteration at hand (where gradients are accumulated, after the next step
    of the optimizer: a checkpoint holds no gradients) and writes ``interrupted.pth`` with what the
    next iteration depends on, random states of all processes included. Resuming from it passes over
    the batches of the epoch that are trained already, without reading them (EpochSeedHook seeds
    each sample for itself), and gives, bit for bit, what uninterrupted training would have. During
    validation the epoch's own checkpoint is there already, and validation is repeated.

    The processes of a run agree on the last iteration by a flag exchanged over gloo while the next
    one runs: no step waits for a device. A second signal to a lone process ends it at once.
    """

    # After the scheduler's step, and before PlainCheckpointHook makes checkpoints plain.
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._received_at = 0.0
        self._stopping = 0
        self._training = False
        self._resumed: dict[str, Any] | None = None
        self._restored: dict[str, Any] | None = None
        self._saving: dict[str, Any] | None = None
        self._group: dist.ProcessGroup | None = None
        self._exchange: tuple[Any, torch.Tensor] | None = None

    # ------------------------------------------------------------------ resuming

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Remember where within an epoch the checkpoint was written."""
        self._resumed = checkpoint.get('interrupted')

    def before_train(self, runner: Runner) -> None:
        """Handle signals from now on; continue within an epoch where the checkpoint says so."""
        self._training = True
        if dist.is_initialized() and dist.get_world_size() > 1:
            self._group = dist.new_group(backend='gloo')
        for loader in (runner.train_dataloader, runner.val_loop and runner.val_dataloader):
            if getattr(loader, 'num_workers', 0):
                loader.worker_init_fn = partial(_in_own_group, inner=loader.worker_init_fn)
        if self._resumed and runner.iter:
            self._continue(runner, self._resumed)
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                _previous.setdefault(number, signal.signal(number, self._receive))

    def _continue(self, runner: Runner, resumed: dict[str, Any]) -> None:
        done, length, states = resumed['done'], resumed['length'], resumed['random']
        batches = runner.train_dataloader.batch_sampler
        if not isinstance(batches, SeededBatches):
            raise ResumeError(
                f'{FILENAME} was written within an epoch, and continues only where each sample is '
                "seeded for itself. Add dict(type='EpochSeedHook') to custom_hooks, or continue "
                'from the last whole epoch: --resume WORK_DIR/epoch_N.pth'
            )
        now = (batches.length, runner.world_size)
        if (length, len(states)) != now:
            raise ResumeError(
                f'{FILENAME} was written after {done} of {length} iterations of epoch '
                f'{runner.epoch + 1} by {len(states)} process(es), but now an epoch has {now[0]} '
                f'iterations and there are {now[1]} process(es): the rest of that epoch is not '
                'known. Use the same data, batch size and number of processes, or continue from '
                'the last whole epoch: --resume WORK_DIR/epoch_N.pth'
            )
        runner.logger.warning(
            f'Continuing epoch {runner.epoch + 1} after iteration {done} of {length}'
        )
        orders = resumed.get('orders')
        if orders is None:
            runner.logger.warning(
                f'{FILENAME} is of an earlier version, or was written without EpochSeedHook: its '
                "random views depended on the loader's workers. Each video left in the epoch is "
                'trained once, with another view than it would have had, so the result is not, bit '
                'for bit, that of uninterrupted training'
            )
        batches.begin_at(done, orders and orders[runner.rank])
        self._restored = states[runner.rank]

    def before_train_epoch(self, runner: Runner) -> None:
        """Postpone signals while the epoch's workers and decoding processes start.

        Until they are in a group of their own, a signal to the training's would end them.
        """
        if _previous:
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Handle signals again."""
        self._restore()
        if _previous:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    before_val_epoch = before_train_epoch
    before_val_iter = before_train_iter

    def _restore(self) -> None:
        """Go on with the random state of the interruption, whatever was drawn on the way here."""
        if self._restored is not None:
            set_random_state(self._restored)
            if self._restored['cuda'] and torch.cuda.is_available():
                torch.cuda.set_rng_state_all([each.cpu() for each in self._restored['cuda']])
            self._restored = None

    def after_train_epoch(self, runner: Runner) -> None:
        """Remove the checkpoint of the middle of the epoch, now that its end is saved."""
        self._restore()  # where the interruption was at the epoch's end
        batches = runner.train_dataloader.batch_sampler
        if isinstance(batches, SeededBatches):
            batches.begin_at(0)
        pointer = Path(runner.work_dir, 'last_checkpoint')
        replaced = pointer.is_file() and Path(pointer.read_text()).name != FILENAME
        if runner.rank == 0 and replaced:
            Path(runner.work_dir, FILENAME).unlink(missing_ok=True)

    def after_train(self, runner: Runner) -> None:
        """Stop handling signals."""
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
        self._stopping = self._stopping or self._agreed()
        number = self._stopping
        if not number or accumulated(runner):
            return
        meta = {'epoch': runner.epoch, 'iter': runner.iter + 1}
        self._saving = self._place(runner, batch_idx)
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
        if self._training and self._received is not None and not accumulated(runner):
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

    def _place(self, runner: Runner, batch_idx: int) -> dict[str, Any]:
        """Where within an epoch training is, and the random states of all processes, by rank."""
        batches = runner.train_dataloader.batch_sampler
        done, length = batch_idx + 1, len(runner.train_dataloader)
        order = None
        if isinstance(batches, SeededBatches):
            length = batches.length
            done += batches.start
            order = batches.order(done)
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        mine = ({**random_state(), 'cuda': devices}, order)
        gathered = [mine] * runner.world_size
        if self._group is not None:
            dist.all_gather_object(gathered, mine, self._group)
        states, orders = zip(*gathered, strict=True)
        place = {'done': done, 'length': length, 'random': [*states]}
        return place if order is None else {**place, 'orders': [*orders]}


def accumulated(runner: Runner) -> int:
    """Iterations whose gradients wait for a step of the optimizer."""
    wrapper = runner.optim_wrapper
    if getattr(wrapper, 'should_update', bool)():  # several optimizers have none in common
        return 0
    return getattr(wrapper, '_inner_count', 0) % getattr(wrapper, '_accumulative_counts', 1)


def _in_own_group(worker_id: int, inner: Callable[[int], None] | None) -> None:
    """Start a loader's worker where signals to the training's group, as from a terminal or a
    launcher, do not end it: the batches at hand are still wanted.
    """
    os.setpgrp()
    while signal.sigtimedwait(_SIGNALS, 0):
        pass  # what was sent to the group that it has left
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if inner is not None:
        inner(worker_id)
