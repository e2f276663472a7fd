"""Make lists and a class list of your own videos, kept in a folder for each class.

    videos/juggling/001.mp4, videos/juggling/my clip.mov, videos/riding a bike/a.mp4, ...

Writes train.txt, val.txt and labels.txt; the folders' names are the classes. Folders that are split
already (videos/train/juggling/001.mp4, videos/val/...) stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .common import make_main, make_parser

parser = make_parser(__doc__)
parser.add_argument('videos', type=Path, help='the folder with a folder for each class')
parser.add_argument('--out', type=Path, required=True, help='folder to write to')
parser.add_argument('--val', type=float, default=0.2, help='fraction to hold out (%(default)s)')
parser.add_argument('--seed', type=int, default=0, help='of the draw (%(default)s)')
parser.add_argument('--labels', help='class list that fixes the order (default: by name)')
parser.add_argument(
    '--no-split', action='store_true', help='write all videos to all.txt; for a test set'
)


def run(args: argparse.Namespace) -> None:
    from ..datasets.lists.own import lists_of_folder
    from ..datasets.lists.record import save
    from ..labels import read_labels

    labels = None if args.labels is None else read_labels(args.labels)
    own = lists_of_folder(args.videos, labels, args.val, args.seed, not args.no_split)
    for remark in own.remarks:
        print(f'warning: {remark}', file=sys.stderr)
    how = {'command': 'from_folder', 'val': args.val, 'seed': args.seed}
    print(*save(args.out, own.lists, {'labels': own.names}, how), sep='\n')


main = make_main(parser, run)
