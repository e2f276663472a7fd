#!/usr/bin/env python3
"""Compare methods on a protocol: tools/compare_methods.py base2novel --dataset shapes --search

Trains and tests what is not done yet (killed, the same command continues), measures time and
memory of a training step, and writes comparison.json, comparison.md and comparison.png. Methods
are settings on top of the protocol's config: projects/msta/protocols/methods.py, docs/ablations.md.
"""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.protocol_arguments import AddMethod, add_arguments
from projects.msta.protocols.definitions import MOST_RATES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    add = parser.add_argument_group('what is compared').add_argument
    add('--methods', nargs='+', metavar='NAME', help='which, in this order (all)')
    add(
        '--add',
        nargs='+',
        action=AddMethod,
        metavar=('NAME', 'KEY=VALUE'),
        help='a method of your own, by the settings it changes; may be given several times',
    )
    add(
        '--search',
        type=int,
        nargs='?',
        const=MOST_RATES,
        metavar='N',
        help='choose the learning rate of each method on validation videos, out of at most N '
        f'({MOST_RATES}); without it or --rates each has its start value',
    )
    add('--rates', type=Path, metavar='FILE', help='rates that a search of another run chose')
    add(
        '--validation',
        type=Path,
        metavar='LIST',
        help='--search: videos of the trained classes; those trained on are left out',
    )
    add('--rounds', type=int, default=15, help='steps timed a method; 0: none (%(default)s)')
    args = parser.parse_args(argv)
    args.arguments = sys.argv[1:] if argv is None else argv
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.commands import compare_methods

    return compare_methods.main(args)


if __name__ == '__main__':
    # As Ctrl-C: what runs is ended too, and continues with the next call.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
