"""Plots of a report: bars, per-class gain over the frozen model, confusion matrices. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..inference.pictures import neighbours_together, new_figure, save
from .per_class import accuracies, by_test
from .plan import Plan

_MOST_CLASSES = 60
_MOST_WITH_NUMBERS = 30


def write_plots(plan: Plan, report: Mapping[str, Any]) -> None:
    """Write the report's PNG files."""
    figures = {'bars': _bars(report)}
    for name, (trained, frozen) in by_test(plan).items():
        figures[f'gain_{name}'] = _gain(name, trained, frozen)
        figures[f'confusion_{name}'] = _confusion(name, trained)
    for stem, figure in figures.items():
        save(figure, plan.report_dir / f'{stem}.png')


def _bars(report: Mapping[str, Any]) -> Figure:
    """The main table: a group of bars per column, one bar per row."""
    rows = report['rows']
    columns = list(dict.fromkeys(c for row in rows for c in row['values']))
    figure = new_figure(max(5.0, 1.6 * len(columns) + 3), 4)
    axes = figure.subplots()
    width = 0.8 / len(rows)
    for number, row in enumerate(rows):
        places = [i for i, column in enumerate(columns) if column in row['values']]
        summaries = [row['values'][columns[i]] for i in places]
        bars = axes.bar(
            [i + (number - (len(rows) - 1) / 2) * width for i in places],
            [summary['mean'] for summary in summaries],
            width,
            yerr=[summary['std'] or 0 for summary in summaries],
            label=row['name'],
        )
        axes.bar_label(bars, fmt='%.1f', fontsize=7)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_ylabel('top-1 (%)')
    axes.set_title(f'{report["protocol"]}, {report["dataset"]}')
    figure.legend(loc='outside lower center', fontsize=7, ncols=2)
    return figure


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
