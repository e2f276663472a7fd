"""Several methods on one protocol: what to run, and one table of what came out. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .methods import RATE, Method, Options, options_of
from .plan import Plan, Request, make_plan
from .report import make_report

# The column that says most: what the Pareto front is of.
_HEADLINES = ('HM', 'mean', 'top-1')


@dataclass(frozen=True)
class Entry:
    """A trained method: its settings on the protocol's config, and the rate these leave it with."""

    name: str
    method: Method
    options: Options
    given_rate: float

    def rate(self, factor: float = 1.0) -> float:
        """Return the learning rate at ``factor`` times the method's start."""
        return float(f'{self.given_rate * self.method.rate * factor:.4g}')

    def request(self, request: Request, rate: float) -> Request:
        """Return the same request for this method at a learning rate."""
        options = {**request.cfg_options, **self.options}
        # Left out where it changes nothing: a run of the protocol alone is then taken as it is.
        if rate != self.given_rate:
            options[RATE] = rate
        return replace(request, cfg_options=options, title=f'{self.name} lr={rate:g}')


def make_entries(request: Request, plan: Plan, methods: Mapping[str, Method]) -> list[Entry]:
    """Return the trained ones of ``methods`` on a plan's config.

    Raises:
        ProtocolError: the config's adapter is not MSTA's.
    """
    cfg = plan.runs[0].config
    entries = []
    for name, method in methods.items():
        if method.settings is not None:
            options = options_of(method, cfg)
            given = options.get(RATE, cfg.optim_wrapper.optimizer.lr)
            entries.append(Entry(name, method, options, given))
    return entries


def method_plan(base: Plan, request: Request) -> Plan:
    """Return a method's plan, beside the frozen model as the protocol's own config has it."""
    plan = make_plan(request, [run.cell for run in base.runs])
    runs = [replace(run, frozen=own.frozen) for run, own in zip(plan.runs, base.runs, strict=True)]
    return replace(plan, runs=tuple(runs))


def merge_plans(plans: Sequence[Plan], folder: Path, frozen: bool = True) -> Plan:
    """Return all runs of several plans as one, each folder once; logs go to ``folder``."""
    runs = {run.folder: run for plan in plans for run in plan.runs}
    kept = [run if frozen else replace(run, frozen=()) for run in runs.values()]
    return replace(plans[0], runs=tuple(kept), report_dir=folder)


def make_comparison(
    methods: Mapping[str, Method],
    plans: Mapping[str, Plan],
    searched: Mapping[str, Any] | None,
    costs: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Results of all methods, one row each, in their order.

    Args:
        methods: by name, the frozen model among them or not.
        plans: of the trained ones.
        searched: what the search of rates found, if there was one.
        costs: what ``cost`` measured, if it did.

    Raises:
        ProtocolError: a result is missing.
    """
    reports = {name: make_report(plan) for name, plan in plans.items()}
    first = next(iter(reports.values()))
    columns = list(first['rows'][0]['values'])
    headline = next((name for name in _HEADLINES if name in columns), columns[-1])
    rows = []
    for name, method in methods.items():
        if name not in plans:
            values, parameters, options, rate = first['rows'][1]['values'], 0, None, None
        else:
            report, plan = reports[name], plans[name]
            values, parameters = report['rows'][0]['values'], report['trainable_parameters']
            options = dict(plan.request.cfg_options)
            rate = plan.runs[0].config.optim_wrapper.optimizer.lr
        rows.append(
            {
                'method': name,
                'title': method.title,
                'trainable_parameters': parameters,
                'rate': rate,
                'values': values,
                'cost': ((costs or {}).get('methods') or {}).get(name),
                'cfg_options': options,
                'runs': reports[name]['runs'] if name in reports else [],
            }
        )
    points = [(row['trainable_parameters'], row['values'][headline]['mean']) for row in rows]
    for row, on_front in zip(rows, pareto_front(points), strict=True):
        row['on_front'] = on_front
    keys = ('protocol', 'dataset', 'config', 'selection', 'lists', 'views', 'spread', 'packages')
    return {
        **{key: first[key] for key in keys},
        'columns': columns,
        'headline': headline,
        'methods': rows,
        'search': searched,
        'costs': None if costs is None else {k: v for k, v in costs.items() if k != 'methods'},
    }


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of (parameters, accuracy) no other beats in one without losing in the other."""
    return [
        not any(
            other[0] <= point[0] and other[1] >= point[1] and other != point for other in points
        )
        for point in points
    ]
