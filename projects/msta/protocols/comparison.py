"""Several methods on one protocol: rates searched, runs, costs, one table of results. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..files import replacing, write_json, write_text
from .costs import measure_costs
from .methods import Method, Options, choose_methods, make_entries
from .plan import Plan, Request, make_plan
from .processes import say
from .report import make_report
from .run import run_plan
from .search import Validation, read_rates, search

# The column that says most: what the Pareto front is of.
_HEADLINES = ('HM', 'mean', 'top-1')


class Comparison:
    """Several methods on one protocol, each at a rate of its own.

    Args:
        request: The protocol, its data and folders.
        names: Of the methods; None: all.
        added: A user's own methods, options by name.

    Raises:
        ProtocolError: An unknown method, or a config that methods cannot be compared on.
    """

    def __init__(
        self,
        request: Request,
        names: Sequence[str] | None = None,
        added: Mapping[str, Options | Method] | None = None,
    ) -> None:
        self.request = request
        self.methods = choose_methods(names, added)
        self.base = make_plan(request)
        self.folder = self.base.report_dir.with_name(f'compare-{self.base.report_dir.name}')
        self.entries = make_entries(self.methods, self.base.runs[0].config)
        self.searched: dict[str, Any] | None = None

    def take_rates(self, path: Path) -> None:
        """Take each method's rate from what another search found."""
        self.searched = {**read_rates(path, self.entries), 'taken_from': str(path)}

    def search(
        self,
        validation: Validation,
        most: int,
        check: Callable[[Plan], object],
        jobs: int = 1,
        overwrite: bool = False,
        port: int = 29500,
    ) -> None:
        """Choose each method's rate out of ``most``; ``check`` sees every plan before it runs."""

        def run(plans: Sequence[Plan]) -> None:
            merged = _merge(plans, self.folder / 'search', frozen=False)
            check(merged)
            run_plan(merged, jobs, overwrite, port)

        say(f'learning rates of {len(self.entries)} methods, on {validation.videos} videos')
        self.searched = {
            'cell': validation.cell.name,
            'videos': validation.videos,
            'list': validation.cell.tests['validation'].videos,
            'methods': search(self.entries, self.request, validation, run, most),
        }
        write_json(self.folder / 'search.json', self.searched, indent=1)

    def plans(self) -> dict[str, Plan]:
        """Return the runs of each trained method, beside the protocol's own frozen model."""
        cells = [run.cell for run in self.base.runs]
        plans = {}
        for entry in self.entries:
            searched = self.searched and self.searched['methods'][entry.name]['rate']
            plan = make_plan(entry.request(self.request, searched or entry.rate()), cells)
            pairs = zip(plan.runs, self.base.runs, strict=True)
            runs = tuple(replace(run, frozen=own.frozen) for run, own in pairs)
            plans[entry.name] = replace(plan, runs=runs)
        return plans

    def plan(self) -> Plan:
        """Return all runs of all methods."""
        return _merge(list(self.plans().values()), self.folder)

    def run(
        self,
        command: str,
        rounds: int = 15,
        jobs: int = 1,
        overwrite: bool = False,
        port: int = 29500,
    ) -> str:
        """Train and test what is missing, time ``rounds`` steps, write the results; the page."""
        from .comparison_page import to_page
        from .comparison_plot import plot

        plans, merged = self.plans(), self.plan()
        say(f'{len(plans)} methods, {len(merged.runs)} runs; folder {self.request.work_dir}')
        run_plan(merged, jobs, overwrite, port)
        costs = measure_costs(plans, self.folder, rounds) if rounds else None
        comparison = _tabulate(self.methods, plans, self.searched, costs)
        page = to_page(comparison, command)
        with replacing(self.folder / 'comparison.png') as temporary:
            plot(comparison).savefig(temporary, format='png', dpi=120)
        write_text(self.folder / 'comparison.md', page)
        write_json(self.folder / 'comparison.json', comparison, indent=1)
        return page


def _merge(plans: Sequence[Plan], folder: Path, frozen: bool = True) -> Plan:
    """Return all runs of several plans as one, each folder once; logs go to ``folder``."""
    runs = {run.folder: run for plan in plans for run in plan.runs}
    kept = [run if frozen else replace(run, frozen=()) for run in runs.values()]
    return replace(plans[0], runs=tuple(kept), report_dir=folder)


def _tabulate(
    methods: Mapping[str, Method],
    plans: Mapping[str, Plan],
    searched: Mapping[str, Any] | None,
    costs: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Results of all methods, one row each; ``plans`` are of those that are trained."""
    reports = {name: make_report(plan) for name, plan in plans.items()}
    first = next(iter(reports.values()))
    columns = list(first['rows'][0]['values'])
    headline = next((name for name in _HEADLINES if name in columns), columns[-1])
    rows = []
    for name, method in methods.items():
        row = {
            'method': name,
            'title': method.title,
            'trainable_parameters': 0,
            'rate': None,
            'values': first['rows'][1]['values'],
            'cost': None,
            'cfg_options': None,
            'runs': [],
        }
        if name in plans:
            report, plan = reports[name], plans[name]
            row |= {
                'trainable_parameters': report['trainable_parameters'],
                'rate': plan.runs[0].config.optim_wrapper.optimizer.lr,
                'values': report['rows'][0]['values'],
                'cost': costs and costs['methods'][name],
                'cfg_options': dict(plan.request.cfg_options),
                'runs': report['runs'],
            }
        rows.append(row)
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
        'costs': costs and {k: v for k, v in costs.items() if k != 'methods'},
    }


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of (parameters, accuracy) no other beats in one without losing in the other."""
    return [
        not any(a[0] <= point[0] and a[1] >= point[1] and a != point for a in points)
        for point in points
    ]
