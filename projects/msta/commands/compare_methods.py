"""What ``tools/compare_methods.py`` does. No torch."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import replacing, write_json, write_text
from ..protocols.comparison import Entry, make_comparison, make_entries, merge, method_plan
from ..protocols.comparison_page import to_page
from ..protocols.costs import measure_costs
from ..protocols.methods import choose_methods
from ..protocols.plan import Plan, Request, make_plan
from ..protocols.processes import say
from ..protocols.run import run_plan
from ..protocols.search import make_validation, read_rates, search
from ..training.config import ConfigError
from .run_protocol import describe, make_request, run_by_lines, say_warnings


def compare_methods(args: argparse.Namespace) -> None:
    """Search rates if asked to, train and test what is missing, measure, and report."""
    _check(args)
    request = make_request(args)
    methods = choose_methods(args.methods, args.add)
    base = make_plan(request)
    folder = base.report_dir.with_name(f'compare-{base.report_dir.name}')
    entries = make_entries(request, base, methods)
    searched = _rates(args, request, base, entries, folder)
    rates = {entry.name: entry.rate() for entry in entries}
    if searched is not None:
        rates |= {name: searched['methods'][name]['rate'] for name in rates}
    plans = {
        entry.name: method_plan(base, entry.request(request, rates[entry.name]))
        for entry in entries
    }
    merged = merge(list(plans.values()), folder)
    say_warnings(merged)
    if args.dry_run:
        print(describe(merged))
        return
    say(f'{len(plans)} methods, {len(merged.runs)} runs; folder {request.work_dir}')
    started = time.perf_counter()
    run_plan(merged, args.jobs, args.overwrite, args.port)
    costs = measure_costs(plans, folder, args.rounds) if args.rounds else None
    comparison = make_comparison(methods, plans, searched, costs)
    command = shlex.join(['tools/compare_methods.py', *args.arguments])
    print(f'\n{write_comparison(folder, comparison, command)}')
    say(f'{folder / "comparison.json"}; {time.perf_counter() - started:.0f} s without the search')


def write_comparison(folder: Path, comparison: Mapping[str, Any], command: str) -> str:
    """Write comparison.json, comparison.md and comparison.png; give the page."""
    from ..protocols.comparison_plot import plot

    page = to_page(comparison, command)
    with replacing(folder / 'comparison.png') as temporary:
        plot(comparison).savefig(temporary, format='png', dpi=120)
    write_text(folder / 'comparison.md', page)
    write_json(folder / 'comparison.json', comparison, indent=1)
    return page


def _check(args: argparse.Namespace) -> None:
    if args.search is not None and args.rates is not None:
        raise ConfigError('--search chooses rates, --rates takes chosen ones: give one of them')
    if args.search is not None and args.search < 2:
        raise ConfigError(f'--search {args.search}: a search tries 2 rates or more')
    if args.search is not None and args.select == 'best':
        raise ConfigError('--search chooses rates by the last epoch; leave out --select best')
    if args.validation is not None and args.search is None:
        raise ConfigError('--validation is what --search chooses rates on; give --search too')
    if args.rounds < 0:
        raise ConfigError(f'--rounds must be 0 or more, got {args.rounds}')


def _rates(
    args: argparse.Namespace, request: Request, base: Plan, entries: Sequence[Entry], folder: Path
) -> dict[str, Any] | None:
    """What a search finds now or has found before; None without one."""
    if args.rates is not None:
        return {**read_rates(args.rates, entries), 'taken_from': str(args.rates)}
    if args.search is None:
        return None
    validation = make_validation(request, base, args.validation)

    def run(plans: Sequence[Plan]) -> None:
        merged = merge(plans, folder / 'search', frozen=False)
        say_warnings(merged)
        if not args.dry_run:
            run_plan(merged, args.jobs, args.overwrite, args.port)

    if args.dry_run:
        plan = make_plan(request, [validation.cell])
        run([plan])
        say(f'rates would be chosen on {validation.videos} videos, after {plan.runs[0].folder}')
        return None
    say(f'learning rates of {len(entries)} methods, on {validation.videos} videos')
    found = search(entries, request, validation, run, args.search)
    searched = {
        'cell': validation.cell.name,
        'videos': validation.videos,
        'list': validation.cell.tests['validation'].videos,
        'methods': found,
    }
    write_json(folder / 'search.json', searched, indent=1)
    return searched


def main(args: argparse.Namespace) -> int:
    """Run and give the exit status."""
    return run_by_lines(compare_methods, args)
