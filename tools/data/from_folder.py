#!/usr/bin/env python
"""Make lists and a class list of your own videos, kept in a folder for each class.

    videos/juggling/001.mp4, videos/juggling/my clip.mov, videos/riding a bike/a.mp4, ...

Writes train.txt, val.txt and labels.txt; the folders' names are the classes.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.msta.datasets.lists.annotations import scan_folder
from projects.msta.commands.make_splits import save
from projects.msta.datasets.lists.splits import train_val
from projects.msta.labels import humanize_label, read_labels


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('videos', type=Path, help='the folder with a folder for each class')
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument('--val', type=float, default=0.2, help='fraction to hold out (default 0.2)')
    parser.add_argument('--seed', type=int, default=0, help='of the draw (default 0)')
    parser.add_argument('--labels', help='class list that fixes the order (default: by name)')
    parser.add_argument(
        '--no-split', action='store_true', help='write all videos to all.txt; for a test set'
    )
    args = parser.parse_args(argv)
    try:
        names = None if args.labels is None else read_labels(args.labels)
        videos, folders = scan_folder(args.videos, names)
        labels = {'labels': read_labels([humanize_label(name) for name in folders])}
        how = {'command': 'from_folder', 'val': args.val, 'seed': args.seed}
        if args.no_split:
            lists = {'all': videos}
        else:
            lists = dict(zip(('train', 'val'), train_val(videos, args.val, args.seed), strict=True))
        save(args.out, lists, labels, how)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
