"""What the command-line tools share: arguments, the config, and errors in one line. No torch."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spelling import similar

if TYPE_CHECKING:
    from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[3]


class ConfigError(ValueError):
    """A config file, or a setting of the command line, that cannot be used."""


class CfgOptions(argparse.Action):
    """``--cfg-options key=value ...``, read as MMEngine's ``DictAction`` does.

    A wrong form is an error of usage, and ``--help`` need not import MMEngine.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        from mmengine.config import DictAction

        try:
            action = DictAction(self.option_strings, self.dest, nargs='+')
            action(parser, namespace, values, option_string)
        except ValueError:
            parser.error(f'{option_string}: each entry must be key=value, got {values}')


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing have in common, as in MMAction2."""
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (work_dirs/CONFIG)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help="settings that replace the config's, such as optim_wrapper.optimizer.lr=1e-4; "
        'lists as key="[a,b]" or key=a,b, nested ones as key="[(a,b),(c,d)]"',
    )
    parser.add_argument(
        '--skip-list',
        metavar='FILE',
        help='videos not to open, as tools/data/check.py lists them; in testing they count as '
        'wrong answers',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started this process among others; none: it runs alone',
    )
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='set by launchers'
    )
    parser.add_argument(
        '--debug', action='store_true', help='show where an error came from (or: MSTA_DEBUG=1)'
    )


def read_config(path: str | Path) -> Config:
    """Read a config, without importing yet what it asks for.

    Raises:
        FileNotFoundError: If there is none, naming what the folder has.
        ConfigError: If it cannot be read, with the reason, or has a misspelt setting.
    """
    from mmengine.config import Config

    from .config_check import check_settings

    path = Path(path)
    if not path.is_file():
        found = similar(path.name, [p.name for p in path.parent.glob('*.py')], cutoff=0.4)
        hint = f'; there is {", ".join(found)}' if found else ''
        raise FileNotFoundError(f'no config file {path}{hint}')
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except Exception as error:  # a config is Python: anything can happen in it
        raise ConfigError(f'{path} cannot be read: {type(error).__name__}: {error}') from error
    check_settings(cfg)
    return cfg


def merge_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Merge ``--cfg-options`` into a config.

    Raises:
        ConfigError: If a path leads nowhere, naming the nearest that does.
    """
    from .config_check import check_options

    check_options(cfg, options or {})
    try:
        cfg.merge_from_dict(options or {})
    except (KeyError, TypeError) as error:
        raise ConfigError(f'--cfg-options: {error.args[0]}') from error


def use_skip_list(cfg: Config, path: str | Path) -> None:
    """Give ``--skip-list`` to every data set of a config.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise FileNotFoundError(f'no skip list {path}; tools/data/check.py --skip-list writes one')
    for part in ('train', 'val', 'test'):
        dataset = (cfg.get(f'{part}_dataloader') or {}).get('dataset')
        while dataset is not None and 'dataset' in dataset:  # wrapped, as by RepeatDataset
            dataset = dataset.dataset
        if dataset is not None:
            dataset.skip_list = str(path)


def set_work_dir(cfg: Config, config: str | Path, work_dir: str | None) -> None:
    """Choose the work folder: the command line's, else the config's, else work_dirs/CONFIG."""
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(ROOT / 'work_dirs' / Path(config).stem)


def run_tool(task: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> int:
    """Run a tool's task; give the exit status.

    What a user can mend is printed as ``error: ...`` with status 2. Anything else is a fault of
    the program and keeps its stack trace, as everything does under ``--debug`` or ``MSTA_DEBUG=1``.
    """
    quiet_imports()
    debug = getattr(args, 'debug', False) or os.environ.get('MSTA_DEBUG', '0') not in ('', '0')
    try:
        task(args)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130
    except Exception as error:
        message = None if debug else explain(error)
        if message is None:
            traceback.print_exc()
            return 1
        print(f'error: {message}', file=sys.stderr)
        return 2
    return 0


def explain(error: Exception) -> str | None:
    """Say an error in words for the user, or give None for a fault of the program."""
    message = _from_worker(str(error))
    module = type(error).__module__
    if isinstance(error, OSError) and error.strerror:
        return f'{error.strerror}: {error.filename}' if error.filename else error.strerror
    if isinstance(error, (OSError, ValueError)) or module.startswith('projects.msta'):
        return message
    if type(error).__name__ == 'UnpicklingError':
        return (
            'the checkpoint holds objects that could run code when loaded, and is refused; '
            'use one written by this project (or convert it where you trust it)'
        )
    if isinstance(error, KeyError) and 'registry' in message:
        return f'{error.args[0]}'.split(' More details')[0]
    if isinstance(error, TypeError) and 'unexpected keyword argument' in message:
        return f'a setting of the config is not known: {message}'
    if re.search(r'Connection (closed|reset) by peer|remote process exited', message):
        return 'another process of this run has ended, as its launcher says: no going on without it'
    if isinstance(error, MemoryError) or "can't allocate memory" in message:
        return (
            f'too little memory ({message.strip().splitlines()[0] if message.strip() else "RAM"})'
        )
    if type(error).__name__ == 'OutOfMemoryError':
        return (
            'the GPU has too little memory: lower train_dataloader.batch_size, or pass --amp '
            f'({message.splitlines()[0]})'
        )
    return None


def _from_worker(message: str) -> str:
    """Leave out the stack trace that a data loader's worker puts into an error's message."""
    if 'Original Traceback' not in message:
        return message
    found = re.findall(r'^[\w.]+: (.*)', message.rsplit('\n  File ', 1)[-1], re.M | re.S)
    return found[-1].strip() if found else message


def quiet_imports() -> None:
    """Leave out the import-time warnings of the pinned packages, which nobody here can act on."""
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    warnings.filterwarnings('ignore', 'Importing from timm', FutureWarning)
    warnings.filterwarnings('ignore', category=DeprecationWarning, module='torch.jit')
