"""What ``tools/run_protocol.py`` does. No torch."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..paths import ROOT
from ..protocols.checks import check_plan
from ..protocols.definitions import DATASETS, ProtocolError
from ..protocols.plan import Plan, Request, make_plan
from ..protocols.processes import say
from ..protocols.report import write_report
from ..protocols.run import run_plan
from ..training.config import ConfigError
from .common import run_tool


def run_protocol(args: argparse.Namespace) -> None:
    """Check, train and test what is missing, and report."""
    request = make_request(args)
    plan = make_plan(request)
    say_warnings(plan)
    if args.dry_run:
        print(describe(plan))
        return
    say(f'{len(plan.runs)} runs; folder {request.work_dir}')
    started = time.perf_counter()
    run_plan(plan, args.jobs, args.overwrite, args.port)
    _, page = write_report(plan, shlex.join(['tools/run_protocol.py', *args.arguments]))
    print(f'\n{page}')
    say(f'{plan.report_dir / "report.json"}; {time.perf_counter() - started:.0f} s in all')


def make_request(args: argparse.Namespace) -> Request:
    """Read the command line's arguments.

    Raises:
        ProtocolError: they do not go together.
    """
    if args.dataset not in DATASETS[args.protocol] and args.config is None:
        raise ProtocolError(
            f'{args.protocol} on {args.dataset}: there are configs for '
            f'{", ".join(DATASETS[args.protocol])}; for other data give --config'
        )
    if args.descriptions and len(args.descriptions) > 2:
        raise ProtocolError('--descriptions takes one file, or the published pair of two')
    for name in ('gpus', 'jobs'):
        if getattr(args, name) < 1:
            raise ConfigError(f'--{name} must be 1 or more, got {getattr(args, name)}')
    model = args.model or ('viclip-tiny' if args.dataset == 'shapes' else 'viclip-b16')
    return Request(
        protocol=args.protocol,
        dataset=args.dataset,
        work_dir=Path(args.work_dir or ROOT / 'work_dirs' / 'protocols').resolve(),
        model=model,
        config=args.config,
        test_config=args.test_config,
        seeds=tuple(dict.fromkeys(args.seeds or ())),
        shots=tuple(sorted(set(args.shots))),
        published_lists=args.lists == 'vificlip',
        data=args.data and args.data.resolve(),
        videos=args.videos and args.videos.resolve(),
        descriptions=tuple(str(Path(path).resolve()) for path in args.descriptions or ()),
        select=args.select,
        processes=args.gpus,
        amp=args.amp,
        cfg_options=args.cfg_options or {},
    )


def say_warnings(plan: Plan) -> None:
    """Check a plan and say what is doubtful."""
    for warning in check_plan(plan):
        say(f'warning: {warning}')


def describe(plan: Plan) -> str:
    """What a plan would do, one line a run."""
    lines = []
    for run in plan.runs:
        state = 'trained' if run.last_checkpoint.is_file() else 'to train'
        lines.append(f'{run.folder} ({state})')
        lines.append(f'  train {run.config.train_dataloader.dataset.ann_file}')
        lines += [f'  test  {e.config.test_dataloader.dataset.ann_file}' for e in run.tests]
    return '\n'.join([*lines, f'report {plan.report_dir}'])


def run_by_lines(tool: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> int:
    """Run a tool whose lines of progress come as they are said, also through a pipe.

    Gives the exit status: 2 for what the user can mend, 130 if interrupted.
    """
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return run_tool(tool, args)


def main(args: argparse.Namespace) -> int:
    """Run and give the exit status."""
    return run_by_lines(run_protocol, args)
