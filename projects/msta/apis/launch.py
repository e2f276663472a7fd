"""Training and testing from a config, alone or as one process of many. Loads torch when it runs."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from projects.msta.apis.cli import (
    ConfigError,
    merge_options,
    read_config,
    set_work_dir,
    use_skip_list,
)
from projects.msta.apis.config_check import check_parts
from projects.msta.archives import find_checkpoint
from projects.msta.locks import locked

if TYPE_CHECKING:
    from mmengine.runner import Runner


def train(args: argparse.Namespace) -> None:
    """Train as ``tools/train.py`` was asked to, holding the work folder against other trainings."""
    cfg = make_train_config(args)
    if not _is_first(cfg.launcher):
        _train(cfg, args)
        return
    lock = Path(cfg.work_dir) / '.training.lock'
    with locked(lock, 'is being trained in (name another --work-dir, or wait)'):
        _train(cfg, args)


def _train(cfg: Config, args: argparse.Namespace) -> None:
    _launch_environment(args)
    _import_parts(cfg)
    if args.amp:
        use_mixed_precision(cfg)
    join_processes(cfg)
    try:
        with running(cfg) as runner:
            runner.train()
    finally:
        _restore_signals()


def test(args: argparse.Namespace) -> dict[str, float]:
    """Test as ``tools/test.py`` was asked to; give the metrics."""
    cfg = make_test_config(args)
    _launch_environment(args)
    _import_parts(cfg)
    join_processes(cfg)
    with running(cfg) as runner:
        # The Runner initialises weights only before training; the frozen foundation needs its own.
        unwrap(runner.model).init_weights()
        metrics = runner.test()
    if args.dump is not None and runner.rank == 0:
        Path(_partial(args.dump)).replace(args.dump)
    return metrics


def make_train_config(args: argparse.Namespace) -> Config:
    """Read the config and merge the arguments of ``tools/train.py`` into it."""
    cfg = read_config(args.config)
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.config, args.work_dir)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.auto_scale_lr:
        if not cfg.get('auto_scale_lr', {}).get('base_batch_size'):
            raise ConfigError(
                f'--auto-scale-lr: {args.config} does not say for which batch its rate was chosen; '
                'set auto_scale_lr=dict(base_batch_size=...)'
            )
        cfg.auto_scale_lr.enable = True
    randomness = {
        'seed': args.seed,
        'diff_rank_seed': args.diff_rank_seed or None,
        'deterministic': args.deterministic or None,
    }
    given = {key: value for key, value in randomness.items() if value is not None}
    cfg.randomness = {**(cfg.get('randomness') or {}), **given}
    if getattr(args, 'skip_list', None) is not None:
        use_skip_list(cfg, args.skip_list)
    merge_options(cfg, args.cfg_options)
    if args.resume is not None:
        found = find_resumable(cfg.work_dir, args.resume)
        cfg.resume = found is not None
        cfg.load_from = found or cfg.get('load_from')
    if cfg.get('load_from') and '://' not in cfg.load_from:
        find_checkpoint(cfg.load_from)
    if cfg.randomness.get('deterministic'):
        # cuBLAS is deterministic only with a fixed workspace, read when CUDA starts.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    return cfg


def make_test_config(args: argparse.Namespace) -> Config:
    """Read the config and merge the arguments of ``tools/test.py`` into it."""
    cfg = read_config(args.config)
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.config, args.work_dir)
    if args.dump is not None:
        if not args.dump.endswith(('.pkl', '.pickle')):
            raise ConfigError(f'--dump {args.dump}: the file name must end in .pkl or .pickle')
        evaluators = cfg.get('test_evaluator') or []
        evaluators = list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]
        dump = {'type': 'DumpResults', 'out_file_path': _partial(args.dump)}
        cfg.test_evaluator = [*evaluators, dump]
    if getattr(args, 'skip_list', None) is not None:
        use_skip_list(cfg, args.skip_list)
    merge_options(cfg, args.cfg_options)
    cfg.resume = False
    cfg.load_from = None
    if args.launcher != 'none':
        cfg.model_wrapper_cfg = {'type': 'IndependentCopies'}
    if args.checkpoint.lower() != 'none':
        cfg.load_from = str(find_checkpoint(args.checkpoint))
    elif 'backbone' in cfg.get('model', {}):
        cfg.model.backbone.adapter = None  # untrained, it would change what the foundation says
    if 'descriptions' in cfg.get('model', {}):
        cfg.model.descriptions = None  # only the training loss reads them
    return cfg


def find_resumable(work_dir: str | Path, resume: str) -> str | None:
    """Find the checkpoint to continue from.

    Args:
        work_dir: Where training keeps its checkpoints.
        resume: A checkpoint, or ``'auto'`` for the newest whole one in ``work_dir``; if that has
            none, training starts from the beginning (None).
    """
    if resume != 'auto':
        return str(find_checkpoint(resume))
    folder = Path(work_dir)
    pointer = folder / 'last_checkpoint'
    candidates = []
    if pointer.is_file():
        # Looked for in the folder: the pointer holds an absolute path, which moving it outdates.
        candidates.append(folder / Path(pointer.read_text(encoding='utf-8').strip()).name)
    candidates += sorted(folder.glob('epoch_*.pth'), key=_epoch, reverse=True)
    return next((str(path) for path in candidates if zipfile.is_zipfile(path)), None)


def _epoch(path: Path) -> int:
    number = path.stem.removeprefix('epoch_')
    return int(number) if number.isdigit() else -1


def _partial(path: str) -> str:
    target = Path(path)
    return str(target.with_name(f'.partial-{target.name}'))


def _is_first(launcher: str) -> bool:
    """Whether this process is the one among those of a run that writes files."""
    name = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}.get(launcher)
    return name is None or os.environ.get(name, '0') == '0'


def _restore_signals() -> None:
    # Only what was imported, for a config that asked for it, can have changed them.
    module = sys.modules.get('projects.msta.engine.interruption')
    if module is not None:
        module.restore_signals()


def _launch_environment(args: argparse.Namespace) -> None:
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))


def _import_parts(cfg: Config) -> None:
    """Import what the config asks for (this loads torch), then check that it is spelt right."""
    imports = cfg.get('custom_imports')
    if imports:
        import_modules_from_strings(**imports)
    check_parts(cfg)


def use_mixed_precision(cfg: Config) -> None:
    """Switch the config's optimizer wrapper to mixed precision: float16 on a GPU, else bfloat16."""
    import torch

    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'CPUAmpOptimWrapper'):
        raise ConfigError(
            f'--amp cannot change the optimizer wrapper {kind}; leave --amp out, or set '
            "optim_wrapper.type='OptimWrapper'"
        )
    if torch.cuda.is_available():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    else:
        wrapper.type = 'CPUAmpOptimWrapper'


def join_processes(cfg: Config) -> None:
    """Join the other processes where there is no GPU, until this one ends.

    With GPUs the Runner does it. Without, its way asks for a device that torch's CPU build does
    not have, and hands the model wrapper a GPU's number.
    """
    import torch

    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    if cfg.launcher != 'pytorch':
        raise ConfigError(
            f'--launcher {cfg.launcher} needs GPUs, and PyTorch sees none here; without them use '
            'tools/dist_train.sh or tools/dist_test.sh'
        )
    missing = [name for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR') if name not in os.environ]
    if missing:
        raise ConfigError(
            f'--launcher pytorch: {", ".join(missing)} not set; start the tool with '
            'tools/dist_train.sh or tools/dist_test.sh'
        )
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


@contextmanager
def running(cfg: Config) -> Iterator[Runner]:
    """The Runner that a config asks for (``runner_type``; MMEngine's), with an end to its work.

    The workers that its loaders keep over epochs are ended. Left to the garbage collector, they may
    not hear of it, as the queue to them is collected too, and each is waited for in vain for 5 s.
    """
    from mmaction.registry import RUNNERS
    from mmengine.runner import Runner

    _format_once()
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    try:
        yield runner
    finally:
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            kept = getattr(getattr(loop, 'dataloader', None), '_iterator', None)
            if kept is not None:
                kept._shutdown_workers()


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


def unwrap(model: Any) -> Any:
    """Give the model inside a distributed wrapper."""
    from mmengine.model import is_model_wrapper

    return model.module if is_model_wrapper(model) else model
