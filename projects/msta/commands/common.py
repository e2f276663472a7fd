"""What the commands share: parsers, running an action, its errors in one line. No torch."""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
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


# Arguments of several tools, as parents of their parsers. Subcommands know --debug too, and must
# not reset it: it has no default.
DEBUG = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
DEBUG.add_argument(
    '--debug', action='store_true', help='show where an error came from (or: MSTA_DEBUG=1)'
)
CFG_OPTIONS = argparse.ArgumentParser(add_help=False)
CFG_OPTIONS.add_argument(
    '--cfg-options',
    nargs='+',
    action=CfgOptions,
    metavar='KEY=VALUE',
    help="settings that replace the config's, such as optim_wrapper.optimizer.lr=1e-4. Text is "
    "taken as given, spaces and commas included; write lists as 'key=[a, b]', no value as key=None",
)
RUN = argparse.ArgumentParser(add_help=False, parents=[CFG_OPTIONS])  # as in MMAction2
RUN.add_argument('config', help='config file, or the name of one in configs/')
RUN.add_argument('--work-dir', help='folder of logs and checkpoints (work_dirs/CONFIG)')
RUN.add_argument(
    '--skip-list',
    metavar='FILE',
    help='videos not to open, as tools/data/check.py lists them; in testing they count as wrong',
)
RUN.add_argument(
    '--launcher',
    choices=['none', 'pytorch', 'slurm', 'mpi'],
    default='none',
    help='what started this process among others; none: it runs alone',
)
RUN.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by launchers')


def make_parser(
    about: str | None, *parents: argparse.ArgumentParser, **more: Any
) -> argparse.ArgumentParser:
    """Return a parser whose help is ``about``, with the arguments of ``parents``, and --debug."""
    return argparse.ArgumentParser(
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[*parents, DEBUG],
        **more,
    )


def integer(least: int, most: int = 1_000_000_000) -> Callable[[str], int]:
    """Return the ``type`` of an argument that is an integer within bounds."""

    def parse(text: str) -> int:
        if not text.lstrip('-').isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f'{text!r} is not an integer from {least} to {most}')
        return int(text)

    return parse


def make_main(
    parser: argparse.ArgumentParser, run: Callable[..., Any], tool: str | None = None
) -> Callable[[Sequence[str] | None], int]:
    """Return the ``main`` of a tool: parse, call ``run(args)``, give the exit status.

    With the name of the tool, ``run`` is also given the command line, to be shown or kept. ``args``
    have no ``debug``: where they are named as a function's keywords, ``vars(args)`` are these.
    """

    def main(argv: Sequence[str] | None = None) -> int:
        words = sys.argv[1:] if argv is None else [str(word) for word in argv]
        args = parser.parse_args(words)
        debug = vars(args).pop('debug', False)
        given = [args] if tool is None else [args, shlex.join([tool, *words])]
        return run_tool(lambda: run(*given), debug)

    return main


# Warnings at import of the pinned packages, which nobody here can act on.
_NOISE = (
    'Fail to import ``MultiScaleDeformableAttention``',
    'pkg_resources is deprecated',
    'Importing from timm',
    r'Setting (OMP|MKL)_NUM_THREADS',
    '`broadcast_buffers` is deprecated',
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
    for noise in _NOISE:
        warnings.filterwarnings('ignore', noise)
    warnings.filterwarnings('ignore', category=DeprecationWarning, module='torch.jit')
    warnings.formatwarning = _SOURCE_AND_TEXT if debug else one_line
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is shown as escapes
            stream.reconfigure(errors='backslashreplace')
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
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get('__name__', '').startswith(packages)


def _lost_process(message: str) -> bool:
    # gloo raises a plain RuntimeError for it, with nothing else to tell it by.
    return bool(re.search(r'Connection (closed|reset) by peer|remote process exited', message))


def _from_worker(message: str) -> str:
    """Leave out the stack trace that a data loader's worker puts into an error's message."""
    if 'Original Traceback' not in message:
        return message
    found = re.findall(r'^[\w.]+: (.*)', message.rsplit('\n  File ', 1)[-1], re.M | re.S)
    return found[-1].strip() if found else message
