"""A comparison of methods from the search of rates to the written table. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import replacing, write_json, write_text
from .comparison import make_comparison, make_entries, merge_plans, method_plan
from .comparison_page import to_page
from .costs import measure_costs
from .methods import Method, Options, choose_methods
from .plan import Plan, Request, make_plan
from .processes import say
from .run import run_plan
from .search import Validation, make_validation, read_rates, search


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
        self.entries = make_entries(request, self.base, self.methods)
        self.searched: dict[str, Any] | None = None

    def take_rates(self, path: Path) -> None:
        """Take each method's rate from what another search found."""
        self.searched = {**read_rates(path, self.entries), 'taken_from': str(path)}

    def validation(self, listed: Path | None = None) -> Validation:
        """What rates are chosen on; ``listed`` is a list to draw it from."""
        return make_validation(self.request, self.base, listed)

    def search_plan(self, validation: Validation) -> Plan:
        """Return the first run of a search."""
        return make_plan(self.request, [validation.cell])

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
            merged = merge_plans(plans, self.folder / 'search', frozen=False)
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
        """Return the runs of each trained method."""
        rates = {entry.name: entry.rate() for entry in self.entries}
        if self.searched is not None:
            rates = {name: self.searched['methods'][name]['rate'] for name in rates}
        return {
            entry.name: method_plan(self.base, entry.request(self.request, rates[entry.name]))
            for entry in self.entries
        }

    def plan(self) -> Plan:
        """Return all runs of all methods."""
        return merge_plans(list(self.plans().values()), self.folder)

    def run(
        self,
        command: str,
        rounds: int = 15,
        jobs: int = 1,
        overwrite: bool = False,
        port: int = 29500,
    ) -> str:
        """Train and test what is missing, time ``rounds`` steps, write the results; the page."""
        plans, merged = self.plans(), self.plan()
        say(f'{len(plans)} methods, {len(merged.runs)} runs; folder {self.request.work_dir}')
        run_plan(merged, jobs, overwrite, port)
        costs = measure_costs(plans, self.folder, rounds) if rounds else None
        comparison = make_comparison(self.methods, plans, self.searched, costs)
        return write_comparison(self.folder, comparison, command)


def write_comparison(folder: Path, comparison: Mapping[str, Any], command: str) -> str:
    """Write comparison.json, comparison.md and comparison.png; give the page."""
    from .comparison_plot import plot

    page = to_page(comparison, command)
    with replacing(folder / 'comparison.png') as temporary:
        plot(comparison).savefig(temporary, format='png', dpi=120)
    write_text(folder / 'comparison.md', page)
    write_json(folder / 'comparison.json', comparison, indent=1)
    return page
