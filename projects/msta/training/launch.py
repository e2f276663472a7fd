"""Training and testing from a config, alone or as one process of many. Loads torch when it runs."""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from pathlib import Path

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from ..archives import find_checkpoint
from ..locks import locked
from .config import ConfigError, merge_options, read_config, set_work_dir, use_skip_list
from .config_check import check_parts
from .runners import running, unwrap


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
    from .preprocessing import use_foundation  # loads torch

    use_foundation(cfg)


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
