"""``tools/compare_methods.py``: compare methods on a protocol."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..protocols.definitions import ProtocolError
from .common import run_tool
from .protocol_arguments import (
    AddMethod,
    add_arguments,
    add_search,
    make_request,
    outline,
    prepare_terminal,
    say_warnings,
)

if TYPE_CHECKING:
    from ..protocols.comparison import Comparison

_ABOUT = """Compare methods on a protocol.

    tools/compare_methods.py base2novel --dataset shapes --search

Trains and tests what is not done yet (killed, the same command continues), measures time and
memory of a training step, and writes comparison.json, comparison.md and comparison.png. Methods
are settings on top of the protocol's config: projects/msta/protocols/methods.py, docs/ablations.md.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/compare_methods.py``."""
    parser = argparse.ArgumentParser(
        description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
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
    add_search(add)
    add('--rounds', type=int, default=15, help='steps timed per method; 0: none (%(default)s)')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Compare; return the exit status."""
    args = build_parser().parse_args(argv)
    command = shlex.join(['tools/compare_methods.py', *(sys.argv[1:] if argv is None else argv)])
    return run_tool(lambda: run(args, command), args.debug)


def run(args: argparse.Namespace, command: str) -> None:
    """Search rates if asked to, train and test what is missing, measure, and report."""
    from ..protocols.comparison import Comparison
    from ..protocols.processes import say

    check_search(args)
    if args.rounds < 0:
        raise ProtocolError(f'--rounds must be 0 or more, got {args.rounds}')
    prepare_terminal()
    comparison = Comparison(make_request(args), args.methods, args.add)
    if not prepare(comparison, args):
        return
    print(f'\n{comparison.run(command, args.rounds, args.jobs, args.overwrite, args.port)}')
    say(f'{comparison.folder / "comparison.json"}')


def prepare(comparison: Comparison, args: argparse.Namespace) -> bool:
    """Find each method's rate and check the runs; return whether they are to be run."""
    from ..protocols.plan import make_plan
    from ..protocols.processes import say
    from ..protocols.search import make_validation

    if args.rates is not None:
        comparison.take_rates(args.rates)
    elif args.search is not None:
        validation = make_validation(comparison.base, args.validation)
        if args.dry_run:
            plan = make_plan(comparison.request, [validation.cell])
            say_warnings(plan)
            print(outline(plan))
            say(f'rates would be chosen on {validation.videos} videos, after {plan.runs[0].folder}')
        else:
            comparison.search(
                validation, args.search, say_warnings, args.jobs, args.overwrite, args.port
            )
    plan = comparison.plan()
    say_warnings(plan)
    if args.dry_run:
        print(outline(plan))
        return False
    return True


def check_search(args: argparse.Namespace) -> None:
    """Refuse options of the search that do not go together."""
    if args.search is not None and args.rates is not None:
        raise ProtocolError('--search chooses rates, --rates takes chosen ones: give one of them')
    if args.search is not None and args.search < 2:
        raise ProtocolError(f'--search {args.search}: a search tries 2 rates or more')
    if args.search is not None and args.select == 'best':
        raise ProtocolError('--search chooses rates by the last epoch; leave out --select best')
    if args.validation is not None and args.search is None:
        raise ProtocolError('--validation is what --search chooses rates on; give --search too')
