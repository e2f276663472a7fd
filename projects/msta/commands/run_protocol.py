"""Run a protocol from training to report.

    tools/run_protocol.py base2novel --dataset hmdb51
    tools/run_protocol.py claims --dataset shapes

Trains and tests what is not done yet (killed, the same command continues), and writes report.json,
report.md and plots, beside the published numbers. What each protocol is: docs/protocols.md.
`claims` holds the paper's claims to base-to-novel, each method at its own searched rate, and writes
claims.md: docs/claims.md.
"""

from __future__ import annotations

import argparse
import time

from ..protocols.definitions import MOST_RATES, ProtocolError
from .common import make_main, make_parser
from .protocol_arguments import (
    PROTOCOL,
    add_protocol,
    add_search,
    check,
    make_comparison,
    make_request,
    prepare,
    prepare_terminal,
)

parser = make_parser(__doc__, PROTOCOL)
add_protocol(parser, 'claims')
_claims = parser.add_argument_group('claims')
_claims.add_argument('--only', nargs='+', metavar='CLAIM', help='which claims (all)')
add_search(_claims)


def run(args: argparse.Namespace, command: str) -> None:
    """Check, train and test what is missing, and report."""
    from ..protocols.plan import make_plan
    from ..protocols.processes import say
    from ..protocols.report import write_report
    from ..protocols.run import run_plan

    if args.protocol == 'claims':
        run_claims(args, command)
        return
    for name in ('only', 'search', 'rates', 'validation'):
        if getattr(args, name) is not None:
            raise ProtocolError(
                f'--{name} is an option of claims; {args.protocol} has no use for it'
            )
    prepare_terminal()
    plan = make_plan(make_request(args))
    if not check(plan, args.dry_run):
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
    from ..protocols.processes import say

    if args.rates is None and args.search is None:
        args.search = MOST_RATES
    args.protocol = 'base2novel'
    claims = choose_claims(args.only)
    names = methods_of(claims)
    added = {name: VARIANTS[name] for name in names if name in VARIANTS}
    comparison = make_comparison(args, names, added)
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


main = make_main(parser, run, 'tools/run_protocol.py')
