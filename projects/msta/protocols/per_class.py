"""Results class by class: trained, over all seeds, beside the frozen model. No torch."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ..files import replacing
from .manifest import read_json
from .plan import Plan

Result = dict


def by_test(plan: Plan) -> dict[str, tuple[list[Result], Result]]:
    """Name of a test -> results of all seeds, and of the frozen model."""
    found: dict[str, tuple[list[Result], Result]] = {}
    for run in plan.runs:
        shots = f'{run.cell.shots}shot_' if plan.request.protocol == 'few_shot' else ''
        for trained, frozen in zip(run.tests, run.frozen, strict=True):
            name = f'{shots}{trained.part.replace(" ", "_")}'
            results, _ = found.setdefault(name, ([], read_json(frozen.result) or {}))
            results.append(read_json(trained.result) or {})
    return found


def accuracies(result: Result) -> np.ndarray:
    """Top-1 (%) of each class, ``(K,)``; NaN for one without videos."""
    values = [row['accuracy'] for row in result['per_class']]
    return np.array([np.nan if value is None else 100 * value for value in values])


def write_table(plan: Plan) -> Path:
    """Write per_class.csv: accuracies in percent, mean over seeds, and the usual mistake."""
    path = plan.report_dir / 'per_class.csv'
    with replacing(path) as temporary, temporary.open('w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['test', 'class', 'videos', 'frozen', 'trained', 'gain', 'confused with'])
        for name, (trained, frozen) in by_test(plan).items():
            mean = np.mean([accuracies(result) for result in trained], axis=0)
            bare = accuracies(frozen)
            counts = np.sum([result['confusion'] for result in trained], axis=0)
            np.fill_diagonal(counts, 0)
            names = [row['name'] for row in frozen['per_class']]
            for label, row in enumerate(frozen['per_class']):
                wrong = names[counts[label].argmax()] if counts[label].any() else ''
                values = (bare[label], mean[label], mean[label] - bare[label])
                shown = [f'{value:.1f}' if np.isfinite(value) else '' for value in values]
                writer.writerow([name, row['name'], row['videos'], *shown, wrong])
    return path
