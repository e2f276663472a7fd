"""Training and testing from a config, alone or as one process of many. Loads torch when it runs."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from ..archives import find_checkpoint
from ..files import check_target
from ..locks import locked
from .config import ConfigError, merge_options, read_config, set_work_dir, use_skip_list
from .config_check import check_parts
from .memory import enough_memory
from .runners import running
from .start import check_files, folder_of_success


def train(config: str | Path, *, amp: bool = False, local_rank: int = 0, **settings: Any) -> None:
    """Train a model, holding its work folder against other trainings.

    Args:
        config: Config file, or the name of one in ``configs/``.
        amp: Train in mixed precision: float16 on a GPU, bfloat16 without one.
        local_rank: Number of this process on its machine, unless the launcher has set LOCAL_RANK.
        settings: The keywords of :func:`make_train_config`: ``resume``, ``work_dir``, ...

    Raises:
        ConfigError: A setting cannot be used.
        FileNotFoundError: A file that the config names is missing.
        LockedError: The work folder is being trained in.
    """
    cfg = make_train_config(config, **settings)
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    check_files(cfg, training=True)
    with contextlib.ExitStack() as stack:
        if _is_first(cfg.launcher):
            folder = Path(cfg.work_dir)
            taken = 'is being trained in (name another --work-dir, or wait)'
            stack.enter_context(folder_of_success(folder))
            stack.enter_context(locked(folder / '.training.lock', taken))
        import_parts(cfg)
        if amp:
            use_mixed_precision(cfg)
        with enough_memory(cfg), running(cfg) as runner:
            runner.train()


def test(
    config: str | Path, checkpoint: str | Path | None, *, local_rank: int = 0, **settings: Any
) -> dict[str, float]:
    """Test a model; return the metrics by name.

    Args:
        config: Config file, or the name of one in ``configs/``.
        checkpoint: Trained part of the model; None tests the frozen foundation.
        local_rank: Number of this process on its machine, unless the launcher has set LOCAL_RANK.
        settings: The keywords of :func:`make_test_config`: ``dump``, ``work_dir``, ...

    Raises:
        ConfigError: A setting cannot be used.
        FileNotFoundError: A file that the config names, or the checkpoint, is missing.
    """
    cfg = make_test_config(config, checkpoint, **settings)
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    check_files(cfg, training=False)
    import_parts(cfg)
    with running(cfg) as runner:
        metrics = runner.test()
    dump = settings.get('dump')
    if dump is not None and runner.rank == 0:
        _partial(dump).replace(dump)
    return metrics


def make_train_config(
    config: str | Path,
    *,
    resume: str | Path | None = None,
    validate: bool = True,
    auto_scale_lr: bool = False,
    seed: int | None = None,
    diff_rank_seed: bool = False,
    deterministic: bool = False,
    work_dir: str | Path | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    skip_list: str | Path | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config and merge settings into it.

    Args:
        config: Config file, or the name of one in ``configs/``.
        resume: Checkpoint to continue from; ``'auto'`` for the newest in the work folder, if any.
        validate: Validate as the config says.
        auto_scale_lr: Scale the learning rate with the number of videos of a step.
        seed: Random seed; by default the config's.
        diff_rank_seed: Give each process another seed.
        deterministic: Use deterministic algorithms, even if slower.
        work_dir: Folder of logs and checkpoints; by default the config's, else work_dirs/CONFIG.
        cfg_options: Settings that replace the config's, by path (:func:`.config.merge_options`).
        skip_list: File of videos not to open.
        launcher: What started this process among others: none, pytorch, slurm or mpi.
    """
    cfg = read_config(config)
    cfg.launcher = launcher
    set_work_dir(cfg, config, work_dir)
    if not validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if auto_scale_lr:
        if not (cfg.get('auto_scale_lr') or {}).get('base_batch_size'):
            raise ConfigError(
                f'--auto-scale-lr: {config} does not say for which batch its rate was chosen; '
                'set auto_scale_lr=dict(base_batch_size=...)'
            )
        cfg.auto_scale_lr.enable = True
    cfg.randomness = dict(cfg.get('randomness') or {})
    if seed is not None:
        cfg.randomness.seed = seed
    if diff_rank_seed:
        cfg.randomness.diff_rank_seed = True
    if deterministic:
        cfg.randomness.deterministic = True
    if skip_list is not None:
        use_skip_list(cfg, skip_list)
    merge_options(cfg, cfg_options)
    if resume is not None:
        found = find_resumable(cfg.work_dir, resume)
        cfg.resume = found is not None
        cfg.load_from = found or cfg.get('load_from')
    if cfg.get('load_from') and '://' not in cfg.load_from:
        find_checkpoint(cfg.load_from)
    if cfg.randomness.get('deterministic'):
        # cuBLAS is deterministic only with a fixed workspace, read when CUDA starts.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    return cfg


def make_test_config(
    config: str | Path,
    checkpoint: str | Path | None,
    *,
    dump: str | Path | None = None,
    work_dir: str | Path | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    skip_list: str | Path | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config and merge settings into it, as :func:`make_train_config` has them.

    Args:
        config: Config file, or the name of one in ``configs/``.
        checkpoint: Trained part of the model; None tests the frozen foundation.
        dump: File for the predictions, a pickle.
        work_dir, cfg_options, launcher: As in training.
        skip_list: File of videos not to open; they count as wrong answers.
    """
    cfg = read_config(config)
    cfg.launcher = launcher
    set_work_dir(cfg, config, work_dir)
    if dump is not None:
        if Path(dump).suffix not in ('.pkl', '.pickle'):
            raise ConfigError(f'--dump {dump}: the file name must end in .pkl or .pickle')
        check_target(dump, make_folder=True)
        evaluators = cfg.get('test_evaluator') or []
        evaluators = list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]
        cfg.test_evaluator = [
            *evaluators,
            {'type': 'DumpResults', 'out_file_path': str(_partial(dump))},
        ]
    if skip_list is not None:
        use_skip_list(cfg, skip_list)
    merge_options(cfg, cfg_options)
    cfg.resume = False
    cfg.load_from = None
    if launcher != 'none':
        cfg.model_wrapper_cfg = {'type': 'IndependentCopies'}
    if checkpoint is not None:
        cfg.load_from = str(find_checkpoint(checkpoint))
    elif 'backbone' in cfg.get('model', {}):
        cfg.model.backbone.adapter = None  # untrained, it would change what the foundation says
    if 'descriptions' in cfg.get('model', {}):
        cfg.model.descriptions = None  # only the training loss reads them
    return cfg


def find_resumable(work_dir: str | Path, resume: str | Path) -> str | None:
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


def _partial(path: str | Path) -> Path:
    target = Path(path)
    return target.with_name(f'.partial-{target.name}')


def _is_first(launcher: str) -> bool:
    """Whether this process is the one among those of a run that writes files."""
    name = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}.get(launcher)
    return name is None or os.environ.get(name, '0') == '0'


def import_parts(cfg: Config) -> None:
    """Import what a config asks for (this loads torch), then check that it is spelt right."""
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
