"""The plot of a comparison: accuracy against trained parameters; a step's costs. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from ..inference.pictures import new_figure

_MARKERS = 'o*sD^vP<>Xhp'


def plot(comparison: Mapping[str, Any]) -> Figure:
    """A panel for each column of the table, and one for time and memory where they are known."""
    rows = comparison['methods']
    trained = [row for row in rows if row['trainable_parameters']]
    frozen = [row for row in rows if not row['trainable_parameters']]
    costs = any(row['cost'] for row in rows)
    columns = comparison['columns']
    panels = len(columns) + costs
    figure = new_figure(3.6 * panels + 0.6 * costs, 5.0)
    places = figure.subplots(1, panels, squeeze=False)[0]
    for axes, column in zip(places, columns, strict=False):
        _accuracy(axes, comparison, column, trained, frozen)
    if costs:
        title = next(r['title'] for r in rows if r['method'] == comparison['costs']['reference'])
        _costs(places[-1], [row for row in trained if row['cost']], title)
    places[0].set_ylabel('top-1 (%)')
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', fontsize=9, ncols=6)
    figure.suptitle(f'{comparison["protocol"]}, {comparison["dataset"]}')
    return figure


def _accuracy(
    axes: Axes, comparison: Mapping[str, Any], column: str, trained: list[Any], frozen: list[Any]
) -> None:
    """Mean and spread of each method over its parameters; what none beats is joined."""
    for number, row in enumerate(trained):
        summary = row['values'][column]
        axes.errorbar(
            row['trainable_parameters'],
            summary['mean'],
            yerr=summary['std'] or 0,
            fmt=_MARKERS[number % len(_MARKERS)],
            color=f'C{number % 10}',
            markersize=11 if _MARKERS[number % len(_MARKERS)] == '*' else 7,
            capsize=3,
            label=row['title'],
        )
    for row in frozen:
        level = row['values'][column]['mean']
        axes.axhline(level, color='black', linestyle='--', linewidth=1, label=row['title'])
    if column == comparison['headline']:
        front = sorted(
            (row['trainable_parameters'], row['values'][column]['mean'])
            for row in trained
            if row['on_front']
        )
        if front:
            x, y = zip(*front, strict=True)
            axes.step(x, y, where='post', color='grey', linewidth=1, zorder=0)
        axes.set_title(f'{column} (grey: the front)', fontsize=10)
    else:
        axes.set_title(column, fontsize=10)
    axes.set_xscale('log')
    # At powers of ten alone there would often be no number: methods lie within one of them.
    counts = [row['trainable_parameters'] for row in trained]
    within = max(counts) < 30 * min(counts)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if within else (1,)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=''))
    axes.xaxis.set_minor_formatter('')
    axes.set_xlim(min(counts) / 1.6, max(counts) * 1.6)
    axes.tick_params(axis='x', labelsize=8)
    axes.set_xlabel('trained parameters')
    axes.grid(alpha=0.3)


def _costs(axes: Axes, rows: list[Any], reference: str) -> None:
    """Bars of time and memory of a step, relative to the reference."""
    places = np.arange(len(rows))
    for shift, key, name in ((-0.2, 'time_ratio', 'time'), (0.2, 'memory_ratio', 'memory')):
        values = [row['cost'][key] for row in rows]
        colour = 'tab:blue' if key == 'time_ratio' else 'tab:orange'
        bars = axes.barh(places + shift, values, 0.38, color=colour, label=name)
        for text in axes.bar_label(bars, fmt='%.2f', fontsize=7, padding=3):
            text.set_bbox({'facecolor': 'white', 'edgecolor': 'none', 'pad': 0.5})
    axes.set_yticks(places, [row['title'] for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.axvline(1, color='grey', linewidth=0.8, zorder=0)
    axes.set_title(f'a training step, {reference} = 1', fontsize=10)
    axes.legend(loc='upper center', bbox_to_anchor=(0.5, -0.08), ncols=2, fontsize=8)
