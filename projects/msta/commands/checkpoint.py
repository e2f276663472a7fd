"""Look into, compare, average and publish trained adapters."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import DEBUG, make_main, make_parser

parser = make_parser(__doc__)
_commands = parser.add_subparsers(dest='command', required=True)


def _command(name: str, text: str, **files: object) -> argparse.ArgumentParser:
    made = _commands.add_parser(name, help=text, description=text, parents=[DEBUG])
    made.add_argument('files', metavar='FILE', **files)  # type: ignore[arg-type]
    return made


_command('info', 'what is in it, for which foundation, its metrics', nargs='+')
_command('diff', 'how two files differ; status 1 if they do', nargs=2)
_merge = _command('merge', 'average adapters of one foundation in weight space', nargs='+')
_merge.add_argument('--out', required=True, help='file to write')
_merge.add_argument('--weights', nargs='+', type=float, help='one per file (equal)')
_merge.add_argument(
    '--zero-shot', type=float, default=0.0, help='share of the bare foundation, 0..1 (0)'
)
_merge.add_argument(
    '--foundation', metavar='FILE', help='weights of both, for a file of an earlier version'
)
_push = _command('push-ready', 'a folder with adapters and a licence card', nargs=1)
_push.add_argument('--out', required=True, help='folder to make')
_push.add_argument('--licence', required=True, help='of the trained weights, e.g. cc-by-4.0')
_push.add_argument('--name', help='title of the card (the file name)')


def run(args: argparse.Namespace) -> int:
    """Do what was asked for; 1 if two files differ, as ``diff`` has it."""
    from ..inference import averaging, cards
    from ..models.checkpoints import read_checkpoint

    if args.command == 'merge':
        agreed = averaging.average_files(
            args.files, args.out, args.weights, args.zero_shot, args.foundation
        )
        print(f'{args.out}: the mean of {len(args.files)} files')
        if not agreed:
            print('  without labels and prompts: the files do not have the same')
        return 0
    read = [read_checkpoint(path) for path in args.files]
    if args.command == 'diff':
        lines = averaging.describe_differences(*read)
        print('\n'.join(lines), end='\n' if lines else '')
        return int(bool(lines))
    if args.command == 'info':
        print('\n'.join(map(cards.summary, read)), end='')
    else:
        cards.publish(read[0], args.out, args.licence, args.name or Path(args.files[0]).stem)
        print(f'{args.out}: adapters.pth and README.md; read the card before you publish it')
    return 0


main = make_main(parser, run)
