"""The arguments that the protocol tools have in common. No torch, nothing slow."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..protocols.definitions import DEFAULT_SHOTS, MODELS, PROTOCOLS
from .common import CfgOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is run, on which data, and how; ``command.make_request`` reads it."""
    add = parser.add_argument
    add('protocol', choices=PROTOCOLS)
    add('--dataset', required=True, help='hmdb51, ucf101, ssv2, kinetics400, kinetics600, shapes')
    add(
        '--model',
        choices=list(MODELS),
        help='which shipped configs (viclip-b16; Shapes: viclip-tiny)',
    )
    add('--config', type=Path, help='config to train with, in the place of the shipped one')
    add('--test-config', type=Path, help='config to test with, if another')
    add('--seeds', type=int, nargs='+', help='seeds (1 2 3; zero_shot and supervised: 1)')
    add('--shots', type=int, nargs='+', default=DEFAULT_SHOTS, help='few_shot: %(default)s')
    add('--data', type=Path, help="folder of the lists (the config's)")
    add('--videos', type=Path, help="folder that paths in the lists are relative to (the config's)")
    add(
        '--lists',
        choices=['own', 'vificlip'],
        default='own',
        help="names of the lists: those of make_splits.py, or ViFi-CLIP's through its command "
        '`published` (%(default)s)',
    )
    add('--descriptions', nargs='+', metavar='FILE', help='one file, or the published pair')
    add(
        '--select',
        choices=['last', 'best'],
        default='last',
        help='report the last epoch, or the best on the test videos, as the published logs do; '
        'the report names it (%(default)s)',
    )
    add('--gpus', type=int, default=1, help='processes of a run; the batch over all stays the same')
    add('--jobs', type=int, default=1, help='runs side by side, each with its --gpus')
    add('--port', type=int, default=29500, help='first port of the launcher (%(default)s)')
    add('--amp', action='store_true', help='train in mixed precision')
    add('--work-dir', type=Path, help='folder of runs and reports (work_dirs/protocols)')
    add('--overwrite', action='store_true', help='train anew what was made from something else')
    add('--dry-run', action='store_true', help='check everything, say what would be done, and stop')
    add(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help="settings that replace the configs', for training and testing",
    )
    add('--debug', action='store_true', help='show where an error came from (or: MSTA_DEBUG=1)')


class AddMethod(argparse.Action):
    """``--add NAME KEY=VALUE ...``, any number of times: name -> options."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name, *settings = values
        if '=' in name:
            parser.error(f'{option_string}: a name comes first, then KEY=VALUE, got {values}')
        held = argparse.Namespace(options={})
        if settings:
            CfgOptions(self.option_strings, 'options', nargs='+')(
                parser, held, settings, option_string
            )
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), name: held.options})
