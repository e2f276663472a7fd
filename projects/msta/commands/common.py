"""What the commands share: running an action, its errors in one line, arguments. No torch."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..paths import PACKAGE, ROOT
from ..training.ranks import say


class CfgOptions(argparse.Action):
    """``--cfg-options KEY=VALUE ...`` -> a dict of text, for ``training.config.merge_options``.

    A value stays as written. What it means depends on the setting that it replaces, so it is
    read where it meets the config.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        options = dict(getattr(namespace, self.dest) or {})
        for text in values:
            key, equals, value = text.partition('=')
            if not key or not equals:
                parser.error(f'{option_string}: each entry must be KEY=VALUE, got {text!r}')
            options[key] = value
        setattr(namespace, self.dest, options)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help="settings that replace the config's, such as optim_wrapper.optimizer.lr=1e-4. Text "
        "is taken as given, spaces and commas included; write lists as 'key=[a, b]', and no value "
        'as key=None',
    )


def add_debug(parser: argparse.ArgumentParser, default: Any = False) -> None:
    """Add ``--debug``; a subcommand's parser takes ``argparse.SUPPRESS`` as default."""
    parser.add_argument(
        '--debug',
        action='store_true',
        default=default,
        help='show where an error came from (or: MSTA_DEBUG=1)',
    )


def make_main(
    build_parser: Callable[[], argparse.ArgumentParser], run: Callable[[argparse.Namespace], Any]
) -> Callable[[Sequence[str] | None], int]:
    """Return the ``main`` of a tool: parse, run the action, give the exit status.

    The action is called without ``debug``, so that a command whose arguments have the names of a
    function's keywords can hand on ``vars(args)``.
    """

    def main(argv: Sequence[str] | None = None) -> int:
        parser = build_parser()
        add_debug(parser)
        args = parser.parse_args(argv)
        debug = vars(args).pop('debug')
        return run_tool(lambda: run(args), debug)

    return main


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing have in common, as in MMAction2."""
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (work_dirs/CONFIG)')
    add_cfg_options(parser)
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


def path_or_none(text: str) -> str | None:
    """Read a path, or ``none`` for no file."""
    return None if text.lower() == 'none' else text


def run_tool(action: Callable[[], Any], debug: bool = False) -> int:
    """Run a command's action; return the exit status.

    The action imports what is slow itself, so that an import that fails or is interrupted ends in
    one line too. Its own status is what it returns, 0 if that is None. What a user can fix is
    printed as ``error: ...`` with status 2. Anything else is a fault of the program and keeps its
    stack trace, as everything does under ``--debug`` or ``MSTA_DEBUG=1``.
    """
    debug = debug or os.environ.get('MSTA_DEBUG', '0') not in ('', '0')
    quiet_imports()
    print_any_name()
    warnings.formatwarning = _SOURCE_AND_TEXT if debug else one_line
    try:
        status = int(action() or 0)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) has left; there is no one to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        message = None if debug else explain(error)
        lost = isinstance(error, RuntimeError) and _lost_process(str(error))
        say(traceback.format_exc() if message is None else f'error: {message}', lost)
        return 1 if message is None else 2
    return status


_SOURCE_AND_TEXT = warnings.formatwarning


def one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Show a warning of this project as what it says, without the line of code that gave it."""
    if category.__module__.startswith('projects.msta') or Path(filename).is_relative_to(PACKAGE):
        return f'warning: {message}\n'
    return _SOURCE_AND_TEXT(message, category, filename, lineno, line)


def print_any_name() -> None:
    """Let a terminal show as escapes what its encoding lacks, file names of any bytes included."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def explain(error: Exception) -> str | None:
    """Say an error in words for the user; None for a fault of the program."""
    message = _from_worker(str(error))
    if isinstance(error, ModuleNotFoundError):
        return _missing(error)
    if isinstance(error, ImportError) and _raised_in(error, ('mmengine', 'mmaction')):
        return message  # of a part that a setting asks for, and that needs another package
    if isinstance(error, OSError) and error.strerror:
        return f'{error.strerror}: {error.filename}' if error.filename else error.strerror
    if isinstance(error, (OSError, ValueError)) or type(error).__module__.startswith(
        'projects.msta'
    ):
        return message
    if type(error).__name__ == 'UnpicklingError':
        return (
            'the checkpoint holds objects that could run code when loaded, and is refused; '
            'use one written by this project (or convert it where you trust it)'
        )
    if isinstance(error, (KeyError, TypeError)) and _raised_in(error, ('mmengine.registry',)):
        # Of a part that its parent builds: an unknown type, or an argument that it does not take.
        return f'a setting of the config is not known: {error.args[0]}'.split(' More details')[0]
    if type(error).__name__ == 'OutOfMemoryError':
        return f'the GPU has too little memory ({message.splitlines()[0]})'
    # On a CPU, torch raises a plain RuntimeError, with nothing else to tell it by.
    if isinstance(error, MemoryError) or "can't allocate memory" in message:
        return f'the machine has too little memory ({(message or "RAM").splitlines()[0]})'
    if isinstance(error, RuntimeError) and _lost_process(message):
        return 'another process of this run has ended, as its launcher says: no going on without it'
    return None


def _missing(error: ModuleNotFoundError) -> str | None:
    """What to do about a package that is not installed; None for a module of this project."""
    name = (error.name or '').partition('.')[0]
    if name in ('', 'projects', 'benchmarks'):
        return None
    inside = sys.prefix == str(ROOT / '.venv')
    remedy = 'make setup' if inside else 'source .venv/bin/activate (make setup makes it)'
    remedy += ', or pip install -r requirements.txt'
    return f'{name} is not installed for {sys.executable}; {remedy}; tools/doctor.py says more'


def _raised_in(error: Exception, packages: tuple[str, ...]) -> bool:
    """Whether an error was raised by the code of these packages, not by what that called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get('__name__', '').startswith(packages)


def _lost_process(message: str) -> bool:
    # gloo raises a plain RuntimeError for it, with nothing else to tell it by.
    return bool(re.search(r'Connection (closed|reset) by peer|remote process exited', message))


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
    warnings.filterwarnings('ignore', r'Setting (OMP|MKL)_NUM_THREADS', UserWarning)
    warnings.filterwarnings('ignore', '`broadcast_buffers` is deprecated', FutureWarning)
