#!/usr/bin/env python
"""Check lists and videos before a run; exit status 1 if there are errors.

    tools/data/check.py train.txt test.txt --videos data/hmdb51/videos --labels hmdb51 \\
        --report report.json --skip-list skip.txt

Class indices and folder names against the class list; missing, unreadable, empty and repeated files
(a few frames of each video are decoded); videos that two lists share; counts; classes trained on.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.msta.commands.check import run


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value} is not 1 or more')
    return value


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'lists', nargs='+', help='lists, CSV files, or folders with a folder a class'
    )
    parser.add_argument(
        '--videos',
        action='append',
        help='folder of the videos; once for all lists, or once for each',
    )
    parser.add_argument('--labels', help='class list: a file, or the name of a shipped one')
    parser.add_argument('--seen', help='class list of the pre-training set, for zero-shot tests')
    parser.add_argument('--classes', type=positive, help='number of classes there should be')
    parser.add_argument('--count', type=positive, help='videos there should be in each list')
    parser.add_argument('--shots', type=positive, help='videos there should be of each class')
    parser.add_argument('--frames', type=positive, default=8, help='frames to decode (default 8)')
    parser.add_argument(
        '--no-decode', action='store_true', help='only look whether files are there'
    )
    parser.add_argument(
        '--workers', type=positive, default=os.cpu_count(), help='decoders at a time'
    )
    parser.add_argument('--limit-sec', type=float, default=60.0, help='longest decode (default 60)')
    parser.add_argument(
        '--report', type=Path, help='JSON file to write; an interrupted check is continued'
    )
    parser.add_argument('--skip-list', type=Path, help='write the unreadable videos here')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        return run(args)
    except KeyboardInterrupt:
        again = '; the same command continues' if args.report else ''
        print(f'interrupted{again}', file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
