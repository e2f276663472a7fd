"""tools/checkpoint.py: look into, compare, average and publish trained adapters."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from .common import make_main


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='checkpoint.py',
        description='Look into, compare, average and publish trained adapters.',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    info = commands.add_parser('info', help='what is in it, for which foundation, its metrics')
    info.add_argument('files', nargs='+', metavar='FILE')
    diff = commands.add_parser('diff', help='how two files differ; status 1 if they do')
    diff.add_argument('files', nargs=2, metavar='FILE')
    merge = commands.add_parser('merge', help='average adapters of one foundation in weight space')
    merge.add_argument('files', nargs='+', metavar='FILE')
    merge.add_argument('--out', required=True, help='file to write')
    merge.add_argument('--weights', nargs='+', type=float, help='one per file (equal)')
    merge.add_argument(
        '--zero-shot', type=float, default=0.0, help='share of the bare foundation, 0..1 (0)'
    )
    merge.add_argument(
        '--foundation', metavar='FILE', help='weights of both, for a file of an earlier version'
    )
    push = commands.add_parser('push-ready', help='a folder with adapters and a licence card')
    push.add_argument('file', metavar='FILE')
    push.add_argument('--out', required=True, help='folder to make')
    push.add_argument('--licence', required=True, help='of the trained weights, e.g. cc-by-4.0')
    push.add_argument('--name', help='title of the card (the file name)')
    return parser


def run(args: argparse.Namespace) -> int:
    """Do what was asked for; 1 if two files differ, as ``diff`` has it."""
    from ..inference import cards
    from ..inference.averaging import average_files
    from ..models.checkpoints import read_checkpoint

    if args.command == 'info':
        print('\n'.join(cards.summary(read_checkpoint(path)) for path in args.files), end='')
    elif args.command == 'diff':
        return print_differences(*args.files)
    elif args.command == 'merge':
        agreed = average_files(args.files, args.out, args.weights, args.zero_shot, args.foundation)
        print(f'{args.out}: the mean of {len(args.files)} files')
        if not agreed:
            print('  without labels and prompts: the files do not have the same')
    else:
        checkpoint = read_checkpoint(args.file)
        cards.publish(checkpoint, args.out, args.licence, args.name or Path(args.file).stem)
        print(f'{args.out}: adapters.pth and README.md; read the card before you publish it')
    return 0


def print_differences(one: str, two: str) -> int:
    """Print how two files differ; 1 if they do."""
    from ..inference.averaging import differences
    from ..models.checkpoints import read_checkpoint
    from ..models.recipe import Recipe

    first, second = read_checkpoint(one), read_checkpoint(two)
    status = 0
    for part, names in (
        ('facts', ('foundation', 'fingerprint', 'adapter')),
        ('recipe', [field.name for field in fields(Recipe)]),
    ):
        for field in names:
            values = [getattr(getattr(c, part), field) for c in (first, second)]
            if values[0] != values[1]:
                print(f'{field}: {values[0]} != {values[1]}')
                status = 1
    for found in differences(first, second):
        status = 1
        how = found.note if found.relative is None else f'{found.relative:.2%}'
        print(f'{found.name}: {how}')
    return status


main = make_main(build_parser, run)
