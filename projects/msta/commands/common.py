"""What the command-line tools share: arguments, and errors in one line. No torch."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any


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


def run_tool(task: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> int:
    """Run a tool's task; give the exit status.

    What a user can mend is printed as ``error: ...`` with status 2. Anything else is a fault of
    the program and keeps its stack trace, as everything does under ``--debug`` or ``MSTA_DEBUG=1``.
    """
    quiet_imports()
    print_any_name()
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


def print_any_name() -> None:
    """Let file names be printed whose bytes are no text in the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


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
