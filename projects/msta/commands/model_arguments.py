"""Arguments that name a model and its labels, shared by the tools that run one. No torch."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..labels import LabelError, shipped_labels
from ..spelling import did_you_mean
from .common import path_or_none

# What looks like a place rather than a name: a separator, or a suffix of the files that hold lists.
_PATH = re.compile(r'[/\\]|\.(txt|csv|tsv)$', re.IGNORECASE)


def add_model_arguments(parser: argparse.ArgumentParser, device: bool = True) -> None:
    """Add what chooses a model: config, checkpoint, foundation, template, labels and device."""
    parser.add_argument('--config', help='config, preset, or foundation weights')
    parser.add_argument(
        '--checkpoint',
        type=path_or_none,
        help='trained adapters, or foundation weights; none: the frozen foundation',
    )
    parser.add_argument('--foundation', help="foundation weights, if not the config's")
    parser.add_argument(
        '--labels',
        help='"a, b, c", a file of names, or a shipped list (the config\'s own, else those the '
        'checkpoint was trained on)',
    )
    parser.add_argument(
        '--template', action='append', help='prompt with one {}; several are averaged'
    )
    if device:
        parser.add_argument('--device', help='cpu, cuda, cuda:1; a GPU where there is one')


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments as keywords of ``open_model`` and ``MSTAInferencer``."""
    return {
        'config': args.config,
        'checkpoint': args.checkpoint,
        'foundation': args.foundation,
        'labels': parse_labels(args.labels),
        'templates': args.template,
    }


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
def stdout_is_for_results() -> Iterator[None]:
    """Send what libraries print to stderr: stdout may be a pipe that expects JSON."""
    from mmengine.logging import MMLogger

    MMLogger.get_current_instance().setLevel('WARNING')
    with contextlib.redirect_stdout(sys.stderr):
        yield
