#!/usr/bin/env python
"""Make lists of videos from official annotation files, and the splits of the protocols from lists.

A list has `path label` lines; each command writes lists, class lists and splits.json, which records
how they were made. The same arguments give the same files. See docs/data.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.msta.commands.make_splits import COMMANDS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    def add(name: str, text: str, labels: str | None = None, out: bool = True):
        command = commands.add_parser(name, help=text, description=text)
        if out:
            command.add_argument('--out', type=Path, required=True, help='folder to write to')
        command.add_argument(
            '--labels',
            default=labels,
            required=labels is None and name not in ('activitynet', 'published'),
            help=f'class list: a file, or the name of a shipped one (default: {labels})',
        )
        return command

    command = add('kinetics', 'Kinetics-400/600 from train.csv, val.csv, ...', 'kinetics400')
    command.add_argument('csv', nargs='+', help='official CSV files')
    command.add_argument(
        '--layout',
        choices=('split', 'class'),
        default='split',
        help='where videos lie: train/ID.mp4 (split, default) or train/CLASS/ID.mp4 (class)',
    )
    for name, folder in (('ucf101', 'ucfTrainTestlist'), ('hmdb51', 'testTrainMulti_7030_splits')):
        command = add(name, f'the three official splits from {folder}', name)
        command.add_argument('annotations', type=Path, help=f'the folder {folder}')
        command.add_argument('--flat', action='store_true', help='videos without class folders')
    command = add('ssv2', 'Something-Something v2 from its two JSON files', 'ssv2')
    command.add_argument('train', help='something-something-v2-train.json')
    command.add_argument('val', help='something-something-v2-validation.json')
    command = add('activitynet', 'video-level labels from ActivityNet JSON')
    command.add_argument('json', help='activity_net.v1-3.min.json')

    command = add('few-shot', 'K videos of each class; fewer shots are a subset of more')
    command.add_argument('--train', required=True, help='training list')
    command.add_argument('--shots', type=int, nargs='+', default=[2, 4, 8, 16])
    command.add_argument('--seeds', type=int, nargs='+', default=[1])
    command.add_argument('--allow-fewer', action='store_true', help='classes may have fewer videos')
    command = add('base-novel', 'halve the classes: base (more frequent in training) and novel')
    command.add_argument('--train', required=True, help='training list')
    command.add_argument('--test', required=True, help='test list')
    command.add_argument('--shots', type=int, default=16)
    command.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    command.add_argument('--allow-fewer', action='store_true', help='classes may have fewer videos')
    command = add('zero-shot', 'test lists of some classes: a random half, or of those not seen')
    command.add_argument('--test', required=True, help='test list')
    command.add_argument('--seen', help='class list trained on; its classes are left out')
    command.add_argument('--classes', type=int, help='classes a split (default: half, or all new)')
    command.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    command = add('published', "check ViFi-CLIP's lists, or write them for your folders", out=False)
    command.add_argument('root', type=Path, help='the folder with datasets_splits/ and labels/')
    command.add_argument(
        '--names', nargs='+', help='only these lists, e.g. base2novel/hmdb/base_val'
    )
    command.add_argument('--videos', type=Path, help='find the videos below this folder by name')
    command.add_argument('--out', type=Path, help='and write the lists with those paths here')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        COMMANDS[args.command](args)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
