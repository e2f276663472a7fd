"""What surrounds a Runner's work: the group of processes, its config's text, its loaders' end."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mmengine.config import Config

from .config import ConfigError

if TYPE_CHECKING:
    from mmengine.runner import Runner


@contextmanager
def running(cfg: Config) -> Iterator[Runner]:
    """The Runner that a config asks for (``runner_type``; MMEngine's), with an end to its work.

    With a launcher it is one of many, where need be in a group of processes that is joined here.
    The workers that its loaders keep over epochs are ended. Left to the garbage collector, they may
    not hear of it, as the queue to them is collected too, and each is waited for in vain for 5 s.
    """
    from mmaction.registry import RUNNERS
    from mmengine.runner import Runner

    from ..engine.interruption import restore_signals
    from .preprocessing import use_foundation

    use_foundation(cfg)
    _join_processes(cfg)
    _format_once()
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    try:
        yield runner
    finally:
        restore_signals()  # a training that fails leaves them as its hook has set them
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            kept = getattr(getattr(loop, 'dataloader', None), '_iterator', None)
            if kept is not None:
                kept._shutdown_workers()


def unwrap(model: Any) -> Any:
    """Give the model inside a distributed wrapper."""
    from mmengine.model import is_model_wrapper

    return model.module if is_model_wrapper(model) else model


def _join_processes(cfg: Config) -> None:
    """Join the other processes where there is no GPU, until this one ends.

    With GPUs the Runner does it. Without, its way asks for a device that torch's CPU build does
    not have, and hands the model wrapper a GPU's number.
    """
    import torch

    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher != 'pytorch':
        raise ConfigError(
            f'--launcher {launcher} needs GPUs, and PyTorch sees none here; without them use '
            'tools/dist_train.sh or tools/dist_test.sh'
        )
    missing = [name for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR') if name not in os.environ]
    if missing:
        raise ConfigError(
            f'--launcher pytorch: {", ".join(missing)} not set; start the tool with '
            'tools/dist_train.sh or tools/dist_test.sh'
        )
    if not torch.distributed.is_initialized():  # by an earlier Runner of this process
        torch.distributed.init_process_group('gloo')
        atexit.register(_leave_processes)
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = {
            'type': 'MMDistributedDataParallel',
            'device_ids': None,
            'broadcast_buffers': False,
            'find_unused_parameters': cfg.get('find_unused_parameters', False),
        }


def _leave_processes() -> None:
    """Leave the group with its threads ended, not merely told to end.

    The group ends its threads when the last reference to it goes, and the model's wrapper, in the
    Runner's reference cycles, holds one. A thread that outlives the interpreter dies asking for its
    lock, which aborts the process (pytorch/pytorch#179291). At exit, since only then does no
    frame and no exception on its way hold the Runner.
    """
    import torch

    torch.distributed.destroy_process_group()
    gc.collect()


class _Once:
    """MMEngine's ``FormatCode``, which keeps what it laid out last.

    A Runner has its config laid out as Python some five times, and again at each checkpoint; yapf
    takes a second or two each time.
    """

    def __init__(self, lay_out: Callable[..., tuple[str, bool]]) -> None:
        self.lay_out = lay_out
        self.asked: tuple[str, str] | None = None
        self.given = ('', False)

    def __call__(self, text: str, **options: Any) -> tuple[str, bool]:
        if self.asked != (text, repr(options)):
            self.given = self.lay_out(text, **options)
            self.asked = text, repr(options)
        return self.given


def _format_once() -> None:
    from mmengine.config import config

    if not isinstance(config.FormatCode, _Once):
        config.FormatCode = _Once(config.FormatCode)
