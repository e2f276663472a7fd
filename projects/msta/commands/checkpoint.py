"""What ``tools/checkpoint.py`` does."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..inference import cards
from ..inference.merging import differences, merge
from ..models.checkpoints import CheckpointError, read_checkpoint


def info(args: argparse.Namespace) -> None:
    """Print what is in each file."""
    print('\n'.join(cards.describe(read_checkpoint(path)) for path in args.files), end='')


def diff(args: argparse.Namespace) -> None:
    """Print how two files differ; status 1 if they do, as ``diff`` has it."""
    first, second = (read_checkpoint(path) for path in args.files)
    for field in ('foundation', 'fingerprint', 'adapter'):
        one, two = getattr(first.facts, field), getattr(second.facts, field)
        if one != two:
            print(f'{field}: {one} != {two}')
            args.status = 1
    for found in differences(first, second):
        args.status = 1
        how = found.note if found.relative is None else f'{found.relative:.2%}'
        print(f'{found.name}: {how}')


def average(args: argparse.Namespace) -> None:
    """Write the mean of several files."""
    out = Path(args.out)
    if any(out.exists() and out.samefile(path) for path in args.files if Path(path).exists()):
        raise CheckpointError(f'--out {out}: is one of the files to merge')
    read = [read_checkpoint(path) for path in args.files]
    cards.save_state(merge(read, args.weights, args.zero_shot), out)
    print(f'{out}: the mean of {len(read)} files')


def push_ready(args: argparse.Namespace) -> None:
    """Make a folder to publish."""
    checkpoint = read_checkpoint(args.file)
    cards.publish(checkpoint, args.out, args.licence, args.name or Path(args.file).stem)
    print(f'{args.out}: adapters.pth and README.md; read the card before you publish it')
