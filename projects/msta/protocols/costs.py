"""Time and memory of a training step of each method, measured once and kept. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import write_json
from .manifest import digest_of, package_versions, read_json, training_identity
from .plan import Plan
from .processes import Processes, locked, say
from .run import dump_config


def measure_costs(plans: Mapping[str, Plan], folder: Path, rounds: int) -> dict[str, Any]:
    """Measure all methods' training steps in one process, each one's memory in its own.

    Times are relative to MSTA's, or to the first method's without it. Taken from costs.json where
    that is of the same.

    Args:
        plans: of the methods, by name.
        folder: the comparison's.
        rounds: steps timed a method.
    """
    first = next(iter(plans.values()))
    configs = {name: plan.runs[0].config for name, plan in plans.items()}
    identity = digest_of(
        [
            rounds,
            first.request.amp,
            package_versions(),
            [[name, training_identity(cfg, 1)] for name, cfg in configs.items()],
        ]
    )
    path = folder / 'costs.json'
    costs = read_json(path) or {}
    if costs.get('identity') == identity:
        return costs
    say(f'time and memory of a step of {len(plans)} methods')
    files = {}
    for name, cfg in configs.items():
        files[name] = str(folder / 'configs' / f'{name}.py')
        dump_config(cfg, Path(files[name]))
    with locked(folder) as lock:
        jobs = {
            'identity': identity,
            'configs': files,
            'reference': 'msta' if 'msta' in files else next(iter(files)),
            'rounds': rounds,
            'amp': first.request.amp,
            'result': str(path),
        }
        write_json(folder / 'costs_jobs.json', jobs, indent=1)
        arguments = [folder / 'costs_jobs.json']
        Processes().run('cost', arguments, 0, folder / 'costs.log', lock, 'time and memory')
    return read_json(path) or {}
