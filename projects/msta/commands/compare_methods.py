"""Compare methods on a protocol.

    tools/compare_methods.py base2novel --dataset shapes --search

Trains and tests what is not done yet (killed, the same command continues), measures time and
memory of a training step, and writes comparison.json, comparison.md and comparison.png. Methods
are settings on top of the protocol's config: projects/msta/protocols/methods.py, docs/ablations.md.
"""

from __future__ import annotations

import argparse

from .common import integer, make_main, make_parser
from .protocol_arguments import (
    PROTOCOL,
    AddMethod,
    add_protocol,
    add_search,
    make_comparison,
    prepare,
)

parser = make_parser(__doc__, PROTOCOL)
add_protocol(parser)
_compared = parser.add_argument_group('what is compared')
_compared.add_argument('--methods', nargs='+', metavar='NAME', help='which, in this order (all)')
_compared.add_argument(
    '--add',
    nargs='+',
    action=AddMethod,
    metavar=('NAME', 'KEY=VALUE'),
    help='a method of your own, by the settings it changes; may be given several times',
)
_compared.add_argument(
    '--rounds', type=integer(0), default=15, help='steps timed per method; 0: none (%(default)s)'
)
add_search(_compared)


def run(args: argparse.Namespace, command: str) -> None:
    """Search rates if asked to, train and test what is missing, measure, and report."""
    from ..protocols.processes import say

    comparison = make_comparison(args, args.methods, args.add)
    if prepare(comparison, args):
        page = comparison.run(command, args.rounds, args.jobs, args.overwrite, args.port)
        print(f'\n{page}')
        say(f'{comparison.folder / "comparison.json"}')


main = make_main(parser, run, 'tools/compare_methods.py')
