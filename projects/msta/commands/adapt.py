"""``tools/adapt.py``: from a folder of videos to a recogniser, in one command."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from .common import add_debug, run_tool


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``tools/adapt.py``."""
    parser = argparse.ArgumentParser(
        prog='tools/adapt.py',
        description='Adapt a foundation model to your own videos: checks every video, holds some '
        'out, chooses a recipe, trains, tests the frozen and the adapted model, and writes one '
        'folder with adapters, config, lists and report.html. Interrupted, the same command '
        'continues.',
    )
    add = parser.add_argument
    add(
        'videos',
        help='a folder with one folder per class, or a CSV (path,label[,group,split]; labels '
        'instead of label: a|b, several per video)',
    )
    add('--out', required=True, type=Path, help='folder to write')
    add(
        '--foundation', help='foundation weights; the tiny model that ships, for a try, if left out'
    )
    add('--start', type=Path, metavar='FOLDER', help='an earlier --out, to add clips or classes to')
    add('--root', type=Path, help='folder that paths in a CSV are relative to (that of the CSV)')
    add('--labels', help='file of class names that fixes their order')
    add(
        '--group',
        help='column of the CSV, or regular expression on paths, that says what a clip '
        'was cut from: such clips stay on one side of the split',
    )
    add('--held-out', type=float, default=0.25, help='share that is tested (%(default)s)')
    add(
        '--window',
        type=float,
        default=10.0,
        metavar='SECONDS',
        help='a video of three such lengths or more is cut into windows of it, each with its '
        'class (%(default)g); 0: never',
    )
    add('--seed', type=int, default=0, help='of split and training (%(default)s)')
    add(
        '--describe',
        metavar='MODEL',
        help='have this language model write descriptions '
        '(key and address as for tools/gen_descriptions.py)',
    )
    add('--descriptions', type=Path, metavar='FILE', help='descriptions that you have')
    recipe = parser.add_argument_group('recipe (chosen from what there is, unless given)')
    recipe.add_argument('--epochs', type=int)
    recipe.add_argument('--batch', type=int, help='videos per step')
    recipe.add_argument('--rate', type=float, help='learning rate; otherwise some are tried')
    recipe.add_argument('--blocks', type=int, nargs=2, metavar=('FIRST', 'LAST'))
    recipe.add_argument('--dim', type=int, help='width of the adapters')
    recipe.add_argument(
        '--cached-views', type=int, help='views kept of each clip; 0: new ones in every epoch'
    )
    recipe.add_argument('--smoothing', type=float, help='of labels, 0 to 1')
    recipe.add_argument('--flip', action=argparse.BooleanOptionalAction)
    recipe.add_argument('--amp', action=argparse.BooleanOptionalAction)
    recipe.add_argument(
        '--balanced', action=argparse.BooleanOptionalAction, help='show rare classes more often'
    )
    add('--workers', type=int, default=2, help='decoding processes (%(default)s)')
    add('--overwrite', action='store_true', help='start over in a folder made from other videos')
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run and return the exit status."""
    args = build_parser().parse_args(argv)
    given = sys.argv[1:] if argv is None else [str(word) for word in argv]
    return run_tool(lambda: run(args, shlex.join(['tools/adapt.py', *given])), args.debug)


def run(args: argparse.Namespace, command: str) -> None:
    """Adapt as ``args`` say."""
    from ..own_videos.adapt import adapt
    from ..training.config import ConfigError
    from .gen_descriptions import main as gen_descriptions

    settings = {
        'epochs': args.epochs,
        'batch': args.batch,
        'learning_rates': None if args.rate is None else (args.rate,),
        'blocks': None if args.blocks is None else tuple(args.blocks),
        'dim': args.dim,
        'cached_views': args.cached_views,
        'smoothing': args.smoothing,
        'flip': args.flip,
        'amp': args.amp,
        'balanced': args.balanced,
    }

    def describe(labels: Path, target: Path, context: int) -> None:
        given = ['--labels', str(labels), '--context', str(context)]
        status = gen_descriptions([*given, '--model', args.describe, '--out', str(target)])
        if status:
            raise ConfigError(
                f'no descriptions were written of {labels} (see above); leave --describe out to '
                'hold classes to their prompts'
            )

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
        settings=settings,
        workers=args.workers,
        overwrite=args.overwrite,
        command=command,
    )
    print(f'\n{made.report}')
    for name in ('frozen', 'adapted'):
        if name in made.figures:
            print(f'{name:<8} {made.figures[name]}')
    print('next:')
    for line in made.next_lines:
        print(f'  {line}')
