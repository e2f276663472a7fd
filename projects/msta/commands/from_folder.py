"""``tools/data/from_folder.py``: make lists and a class list of your own videos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .common import make_main

_ABOUT = """Make lists and a class list of your own videos, kept in a folder for each class.

    videos/juggling/001.mp4, videos/juggling/my clip.mov, videos/riding a bike/a.mp4, ...

Writes train.txt, val.txt and labels.txt; the folders' names are the classes. Folders that are split
already (videos/train/juggling/001.mp4, videos/val/...) stay as they are.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/data/from_folder.py``."""
    parser = argparse.ArgumentParser(
        description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('videos', type=Path, help='the folder with a folder for each class')
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument('--val', type=float, default=0.2, help='fraction to hold out (default 0.2)')
    parser.add_argument('--seed', type=int, default=0, help='of the draw (default 0)')
    parser.add_argument('--labels', help='class list that fixes the order (default: by name)')
    parser.add_argument(
        '--no-split', action='store_true', help='write all videos to all.txt; for a test set'
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Call :func:`projects.msta.datasets.lists.own.lists_of_folder` and write what it gives."""
    from ..datasets.lists.own import lists_of_folder
    from ..datasets.lists.record import save
    from ..labels import read_labels

    labels = None if args.labels is None else read_labels(args.labels)
    own = lists_of_folder(args.videos, labels, args.val, args.seed, not args.no_split)
    for remark in own.remarks:
        print(f'warning: {remark}', file=sys.stderr)
    how = {'command': 'from_folder', 'val': args.val, 'seed': args.seed}
    for line in save(args.out, own.lists, {'labels': own.names}, how):
        print(line)


main = make_main(build_parser, run)
