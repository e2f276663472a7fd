"""``tools/run_protocol.py``: run a protocol from training to report."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence

from .common import run_tool
from .protocol_arguments import (
    add_arguments,
    make_request,
    outline,
    prepare_terminal,
    say_warnings,
)

_ABOUT = """Run a protocol from training to report.

    tools/run_protocol.py base2novel --dataset hmdb51

Trains and tests what is not done yet (killed, the same command continues), and writes report.json,
report.md and plots, beside the published numbers. What each protocol is: docs/protocols.md.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/run_protocol.py``."""
    parser = argparse.ArgumentParser(
        description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the protocol; return the exit status."""
    args = build_parser().parse_args(argv)
    command = shlex.join(['tools/run_protocol.py', *(sys.argv[1:] if argv is None else argv)])
    return run_tool(lambda: run(args, command), args.debug)


def run(args: argparse.Namespace, command: str) -> None:
    """Check, train and test what is missing, and report."""
    from ..protocols.plan import make_plan
    from ..protocols.processes import say
    from ..protocols.report import write_report
    from ..protocols.run import run_plan

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
