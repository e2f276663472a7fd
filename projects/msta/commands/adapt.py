"""Adapt a foundation model to your own videos.

Checks every video, holds some out, chooses a recipe, trains, tests the frozen and the adapted
model, and writes one folder with adapters, config, lists and report.html. Interrupted, the same
command continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import make_main, make_parser

parser = make_parser(__doc__)
add = parser.add_argument
add(
    'videos',
    help='a folder with one folder per class, or a CSV (path,label[,group,split]; labels instead '
    'of label: a|b, several per video)',
)
add('--out', required=True, type=Path, help='folder to write')
add('--foundation', help='foundation weights; the tiny model that ships, for a try, if left out')
add('--start', type=Path, metavar='FOLDER', help='an earlier --out, to add clips or classes to')
add('--root', type=Path, help='folder that paths in a CSV are relative to (that of the CSV)')
add('--labels', help='file of class names that fixes their order')
add(
    '--group',
    help='column of the CSV, or regular expression on paths, that says what a clip was cut from: '
    'such clips stay on one side of the split',
)
add('--held-out', type=float, default=0.25, help='share that is tested (%(default)s)')
add(
    '--window',
    type=float,
    default=10.0,
    metavar='SECONDS',
    help='a video of three such lengths or more is cut into windows of it, each with its class '
    '(%(default)g); 0: never',
)
add('--seed', type=int, default=0, help='of split and training (%(default)s)')
add(
    '--describe',
    metavar='MODEL',
    help='have this language model write descriptions (key and address as for '
    'tools/gen_descriptions.py)',
)
add('--descriptions', type=Path, metavar='FILE', help='descriptions that you have')
add('--workers', type=int, default=2, help='decoding processes (%(default)s)')
add('--overwrite', action='store_true', help='start over in a folder made from other videos')

_RECIPE = (
    'epochs', 'batch', 'learning_rates', 'blocks', 'dim', 'cached_views', 'smoothing',
    'flip', 'amp', 'balanced',
)  # fmt: skip
on_or_off = argparse.BooleanOptionalAction
add = parser.add_argument_group('recipe (chosen from what there is, unless given)').add_argument
add('--epochs', type=int)
add('--batch', type=int, help='videos per step')
add(
    '--rate',
    type=float,
    nargs=1,
    dest='learning_rates',
    metavar='R',
    help='learning rate (some are tried)',
)
add('--blocks', type=int, nargs=2, metavar=('FIRST', 'LAST'))
add('--dim', type=int, help='width of the adapters')
add('--cached-views', type=int, help='views kept of each clip; 0: new ones in every epoch')
add('--smoothing', type=float, help='of labels, 0 to 1')
add('--flip', action=on_or_off)
add('--amp', action=on_or_off)
add('--balanced', action=on_or_off, help='show rare classes more often')


def run(args: argparse.Namespace, command: str) -> None:
    from ..own_videos.adapt import adapt
    from ..training.config import ConfigError
    from .gen_descriptions import main as gen_descriptions

    def describe(labels: Path, target: Path, context: int) -> None:
        given = ['--labels', str(labels), '--context', str(context)]
        status = gen_descriptions([*given, '--model', args.describe, '--out', str(target)])
        if status:
            raise ConfigError(
                f'no descriptions were written of {labels} (see above); leave --describe out to '
                'hold classes to their prompts'
            )

    chosen = {name: vars(args)[name] for name in _RECIPE}
    made = adapt(
        args.videos,
        args.out,
        args.foundation,
        videos=args.root,
        labels=args.labels,
        group=args.group,
        start=args.start,
        held_out=args.held_out,
        window_sec=args.window,
        seed=args.seed,
        descriptions=args.descriptions,
        describe=describe if args.describe else None,
        settings={k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()},
        workers=args.workers,
        overwrite=args.overwrite,
        command=command,
    )
    print(f'\n{made.report}')
    for name in ('frozen', 'adapted'):
        if name in made.figures:
            print(f'{name:<8} {made.figures[name]}')
    print('next:', *made.next_lines, sep='\n  ')


main = make_main(parser, run, 'tools/adapt.py')
