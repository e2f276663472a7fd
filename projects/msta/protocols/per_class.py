"""Results class by class: a table, gain over the frozen model, confusion matrices. No torch."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..files import replacing
from ..inference.pictures import neighbours_together, new_figure, save
from .manifest import read_json
from .plan import Plan

Result = dict
_MOST_CLASSES = 60
_MOST_WITH_NUMBERS = 30


def write_plots(plan: Plan) -> None:
    """Write gain_TEST.png and confusion_TEST.png for each test."""
    for name, (trained, frozen) in by_test(plan).items():
        save(_gain(name, trained, frozen), plan.report_dir / f'gain_{name}.png')
        save(_confusion(name, trained), plan.report_dir / f'confusion_{name}.png')


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


def _gain(name: str, trained: list[dict], frozen: dict) -> Figure:
    """Each class's accuracy, mean over seeds, minus the frozen model's."""
    names = [row['name'] for row in frozen['per_class']]
    runs = [accuracies(result) for result in trained]
    gain = np.mean(runs, axis=0) - accuracies(frozen)
    order = [int(i) for i in np.argsort(-gain) if np.isfinite(gain[i])]
    title = f'{name}: gain over the frozen model'
    if len(order) > _MOST_CLASSES:
        half = _MOST_CLASSES // 2
        order = order[:half] + order[-half:]
        title += f', the {half} best and worst classes of {len(names)}'
    figure = new_figure(7, 1.4 + 0.18 * len(order))
    axes = figure.subplots()
    colours = ['tab:green' if gain[i] >= 0 else 'tab:red' for i in order]
    bars = axes.barh([names[i] for i in order], gain[order], color=colours)
    # A bar of no gain is not seen: its number says that it is there.
    texts = [f'{gain[i]:+.1f}' if gain[i] else '0' for i in order]
    axes.bar_label(bars, texts, fontsize=7, padding=2)
    reach = max(1.0, float(np.abs(gain[order]).max(initial=0.0)))
    low, high = (float(f(gain[order], initial=0.0)) for f in (np.min, np.max))
    axes.set_xlim(min(low, 0.0) - 0.15 * reach, max(high, 0.0) + 0.15 * reach)
    axes.invert_yaxis()
    axes.tick_params(axis='y', labelsize=7)
    axes.axvline(0, color='black', linewidth=0.8)
    axes.set_xlabel('points')
    axes.margins(y=0.01)
    figure.suptitle(title, fontsize=9)
    return figure


def _confusion(name: str, trained: list[dict]) -> Figure:
    """Share of each true class's videos (rows) that is given each answer, over all seeds."""
    counts = np.sum([result['confusion'] for result in trained], axis=0)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [row['name'] for row in trained[0]['per_class']]
    title = f"{name}: confusion, percent of a class's videos"
    shown = np.arange(len(names))
    if len(names) > _MOST_CLASSES:
        wrong = share.sum(1) + share.sum(0) - 2 * share.diagonal()
        shown = np.sort(np.argsort(-wrong, kind='stable')[:_MOST_CLASSES])
        title += f', the {_MOST_CLASSES} most confused classes of {len(names)}'
    if len(names) > _MOST_WITH_NUMBERS:
        shown = shown[neighbours_together(share[np.ix_(shown, shown)])]
        title += ', those confused with each other side by side'
    share = share[np.ix_(shown, shown)]
    numbered = len(shown) <= _MOST_WITH_NUMBERS
    side = max(5.0, 1.5 + (0.3 if numbered else 0.17) * len(shown))
    figure = new_figure(side + 2, side + 1)
    axes = figure.subplots()
    image = axes.imshow(100 * share, vmin=0, vmax=100, cmap='viridis')
    if numbered:
        for row, column in np.argwhere(share > 0):
            value = 100 * share[row, column]
            colour = 'black' if value > 60 else 'white'
            axes.text(column, row, f'{value:.0f}', color=colour, ha='center', va='center', size=7)
    size = 8 if numbered else 6
    ticks = range(len(shown))
    axes.set_xticks(ticks, [names[i] for i in shown], rotation=90, fontsize=size)
    axes.set_yticks(ticks, [names[i] for i in shown], fontsize=size)
    axes.set_xlabel('answer')
    axes.set_ylabel('true class')
    figure.suptitle(title, fontsize=9)
    figure.colorbar(image, shrink=0.6)
    return figure
