"""Arguments that name a model and its labels, shared by the tools that run one. No torch."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ..labels import LabelError, shipped_labels
from ..spelling import did_you_mean
from .common import path_or_none

# Named as the keywords of ``MSTAInferencer``.
MODEL = argparse.ArgumentParser(add_help=False)
add = MODEL.add_argument_group('model').add_argument
add('--config', help='config, preset, or foundation weights')
add(
    '--checkpoint',
    type=path_or_none,
    help='trained adapters, or foundation weights; none: the frozen foundation',
)
add('--foundation', help="foundation weights, if not the config's")
add(
    '--labels',
    help='"a, b, c", a file of names, or a shipped list (the config\'s own, else those the '
    'checkpoint was trained on)',
)
add(
    '--template',
    action='append',
    dest='templates',
    metavar='TEXT',
    help='prompt with one {}; several are averaged',
)
DEVICE = argparse.ArgumentParser(add_help=False)
DEVICE.add_argument_group('model').add_argument(
    '--device', help='cpu, cuda, cuda:1; a GPU where there is one'
)

# What looks like a place rather than a name: a separator, or a suffix of the files that hold lists.
_PATH = re.compile(r'[/\\]|\.(txt|csv|tsv)$', re.IGNORECASE)


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments as keywords of ``MSTAInferencer``."""
    names = ('config', 'checkpoint', 'foundation', 'templates', 'device')
    options = {name: getattr(args, name, None) for name in names}
    return {**options, 'labels': parse_labels(args.labels)}


def parse_labels(text: str | None) -> str | list[str] | None:
    """``'a, b, c'`` and ``'pan left'`` -> names; a file or a shipped list stays what it is.

    Raises:
        LabelError: one word that is nearly the name of a shipped list.
    """
    if text is not None and not text.strip(', '):
        raise LabelError(f'--labels {text!r} names no class: write "a, b, c", or leave it out')
    if text is None or text in shipped_labels() or Path(text).is_file():
        return text
    if ',' in text:
        return [name.strip() for name in text.split(',') if name.strip()]
    if _PATH.search(text):
        return text
    meant = did_you_mean(text, shipped_labels())
    if meant:
        raise LabelError(
            f'--labels {text}: neither a file nor a shipped list{meant}; for a label of that name '
            f'write a comma: "{text},"'
        )
    return [text.strip()]


@contextlib.contextmanager
def stdout_is_for_results() -> Iterator[TextIO]:
    """Yield stdout, and send what libraries print to stderr: stdout may be a pipe with JSON."""
    from mmengine.logging import MMLogger

    MMLogger.get_current_instance().setLevel('WARNING')
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        yield stdout
