"""What surrounds a Runner's work: the group of processes, its config's text, its loaders' end."""

from __future__ import annotations

import atexit
import gc
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config

from .. import compat
from .config import ConfigError, pipeline_of

if TYPE_CHECKING:
    from mmengine.runner import Runner


_numbers = itertools.count()


@contextmanager
def running(cfg: Config) -> Iterator[Runner]:
    """The Runner that a config asks for (``runner_type``, else MSTARunner); its work gets an end.

    With a launcher it is one of many, where need be in a group of processes that is joined here.
    The workers that its loaders keep over epochs are ended. Left to the garbage collector, they may
    not hear of it, as the queue to them is collected too, and each is waited for in vain for 5 s.
    """
    from mmaction.registry import RUNNERS

    from ..engine.interruption import restore_signals
    from ..engine.runner import MSTARunner
    from .nodes import check_nodes
    from .preprocessing import use_foundation

    use_foundation(cfg)
    if cfg.get('model', {}).get('type') == 'MSTARecognizer' and cfg.get('test_dataloader'):
        cfg.model.test_pipeline = pipeline_of(cfg)  # for its checkpoints to carry
    _join_processes(cfg)
    check_nodes(cfg)
    # MMEngine shares logger, history and pictures between Runners of one name and second.
    number = next(_numbers)
    if number:
        name = cfg.get('experiment_name') or Path(cfg.filename or 'run').stem
        cfg.experiment_name = f'{name}-{number}'
    compat.format_config_once()
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else MSTARunner.from_cfg(cfg)
    try:
        yield runner
    finally:
        restore_signals()  # a training that fails leaves them as its hook has set them
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            kept = getattr(getattr(loop, 'dataloader', None), '_iterator', None)
            if kept is not None:
                kept._shutdown_workers()


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
