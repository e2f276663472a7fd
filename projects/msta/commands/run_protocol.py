"""``tools/run_protocol.py``: run a protocol from training to report."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence

from ..protocols.definitions import ProtocolError
from .common import run_tool
from .compare_methods import check_search, prepare
from .protocol_arguments import (
    add_arguments,
    add_search,
    make_request,
    outline,
    prepare_terminal,
    say_warnings,
)

_ABOUT = """Run a protocol from training to report.

    tools/run_protocol.py base2novel --dataset hmdb51
    tools/run_protocol.py claims --dataset shapes

Trains and tests what is not done yet (killed, the same command continues), and writes report.json,
report.md and plots, beside the published numbers. What each protocol is: docs/protocols.md.
`claims` holds the paper's claims to base-to-novel, each method at its own searched rate, and writes
claims.md: docs/claims.md.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/run_protocol.py``."""
    parser = argparse.ArgumentParser(
        description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, more=['claims'])
    add = parser.add_argument_group('claims').add_argument
    add('--only', nargs='+', metavar='CLAIM', help='which claims (all)')
    add_search(add)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the protocol; return the exit status."""
    args = build_parser().parse_args(argv)
    command = shlex.join(['tools/run_protocol.py', *(sys.argv[1:] if argv is None else argv)])
    action = run_claims if args.protocol == 'claims' else run
    return run_tool(lambda: action(args, command), args.debug)


def run(args: argparse.Namespace, command: str) -> None:
    """Check, train and test what is missing, and report."""
    from ..protocols.plan import make_plan
    from ..protocols.processes import say
    from ..protocols.report import write_report
    from ..protocols.run import run_plan

    for name in ('only', 'search', 'rates', 'validation'):
        if getattr(args, name) is not None:
            raise ProtocolError(
                f'--{name} is an option of claims; {args.protocol} has no use for it'
            )
    prepare_terminal()
    plan = make_plan(make_request(args))
    say_warnings(plan)
    if args.dry_run:
        print(outline(plan))
        return
    say(f'{len(plan.runs)} runs; folder {plan.request.work_dir}')
    started = time.perf_counter()
    run_plan(plan, args.jobs, args.overwrite, args.port)
    _, page = write_report(plan, command)
    print(f'\n{page}')
    say(f'{plan.report_dir / "report.json"}; {time.perf_counter() - started:.0f} s in all')


def run_claims(args: argparse.Namespace, command: str) -> None:
    """Search rates, train and test what is missing, and hold the claims to the results."""
    from ..files import write_json, write_text
    from ..protocols.claims import VARIANTS, choose_claims, judge, methods_of, to_page
    from ..protocols.comparison import Comparison
    from ..protocols.definitions import MOST_RATES
    from ..protocols.processes import say

    if args.rates is None and args.search is None:
        args.search = MOST_RATES
    args.protocol = 'base2novel'
    check_search(args)
    claims = choose_claims(args.only)
    names = methods_of(claims)
    added = {name: VARIANTS[name] for name in names if name in VARIANTS}
    prepare_terminal()
    comparison = Comparison(make_request(args), names, added)
    # Beside, not over, what a comparison of other methods wrote.
    report = comparison.base.report_dir
    comparison.folder = report.with_name(f'claims-{report.name}')
    if not prepare(comparison, args):
        return
    comparison.run(command, 0, args.jobs, args.overwrite, args.port)
    judged = judge(claims, comparison.plans())
    page = to_page(judged, command)
    write_json(comparison.folder / 'claims.json', judged, indent=1)
    write_text(comparison.folder / 'claims.md', page)
    print(f'\n{page}')
    say(f'{comparison.folder / "claims.json"}')
