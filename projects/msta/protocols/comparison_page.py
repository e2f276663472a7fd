"""A comparison as a Markdown page. No torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .report import SELECTION, summary_cell, table


def to_page(comparison: Mapping[str, Any], command: str) -> str:
    """Return the page: the table, the search of rates, each method's settings."""
    rows = comparison['methods']
    titles = {row['method']: row['title'] for row in rows}
    lines = [
        f'# {comparison["protocol"]}: {comparison["dataset"]}, methods compared',
        '',
        f'Config `{comparison["config"]}`; {comparison["views"]} views (clips x crops) a video. '
        f'Reported: {SELECTION[comparison["selection"]]}. Top-1 in percent, each part within its '
        f'own classes; ± is the standard deviation (n - 1) over {comparison["spread"]}. Front: no '
        'other method has as few trainable parameters and as high a mean '
        f'{comparison["headline"]}.',
        '',
        *_results(comparison),
        '',
        *_about_costs(comparison['costs'], titles),
        *_about_search(comparison['search'], titles),
        '## Settings',
        '',
        *table(
            ['method', 'options'],
            [[row['title'], _line(row['cfg_options'])] for row in rows if row['rate'] is not None],
        ),
        '',
        ', '.join(f'{name} {number}' for name, number in (comparison['packages'] or {}).items()),
        '',
        f'    {command}',
        '',
    ]
    return '\n'.join(lines)


def _results(comparison: Mapping[str, Any]) -> list[str]:
    columns = comparison['columns']
    lines = []
    for row in comparison['methods']:
        time, memory, cost = '-', '-', row['cost']
        if cost is not None:
            time = f'{cost["time_ratio"]:.2f} ({1000 * cost["seconds"]:.0f} ms)'
            memory = f'{cost["memory_ratio"]:.2f} ({cost["peak_mib"]:.0f} MiB)'
        lines.append(
            [
                row['title'],
                f'{row["trainable_parameters"]:,}',
                '-' if row['rate'] is None else f'{row["rate"]:g}',
                *(summary_cell(row['values'].get(column)) for column in columns),
                'yes' if row['on_front'] else '',
                time,
                memory,
            ]
        )
    header = ['method', 'trained', 'rate', *columns, 'front', 'time a step', 'peak memory']
    return table(header, lines)


def _about_costs(costs: Mapping[str, Any] | None, titles: Mapping[str, str]) -> list[str]:
    if costs is None:
        return []
    return [
        f'Time and memory of a training step of {costs["batch"]} videos, relative to '
        f'{titles[costs["reference"]]}: median of {costs["rounds"]} rounds in one process, the '
        'methods taking turns, without reading videos; the memory is what steps add at most to the '
        f'loaded model, each method in a process of its own. {costs["device"]}, '
        f'{costs["threads"]} threads.',
        '',
    ]


def _about_search(searched: Mapping[str, Any] | None, titles: Mapping[str, str]) -> list[str]:
    if searched is None:
        return ['Learning rates were not searched for: each method has its start value.', '']
    taken = searched.get('taken_from')
    rows = []
    for name, found in searched['methods'].items():
        if name in titles:
            edge = ' (at the end)' if found['at_edge'] else ''
            tried = ', '.join(map(_tried, found['tried']))
            rows.append([titles[name], f'{found["rate"]:g}{edge}', tried])
    return [
        '## Learning rates',
        '',
        f'Chosen by top-1 (%) on {searched["videos"]} videos of the trained classes that are '
        f'neither trained on nor tested, after the training {searched["cell"]}'
        + (f' of another protocol (`{taken}`).' if taken else '.')
        + ' Three rates around the start, then further while the best is at an end.',
        '',
        *table(['method', 'chosen', 'rate: top-1'], rows),
        '',
    ]


def _tried(point: Mapping[str, float]) -> str:
    score = 'failed' if point['top1'] < 0 else f'{point["top1"]:.1f}'
    return f'{point["rate"]:g}: {score}'


def _line(options: Mapping[str, Any]) -> str:
    """Options as ``--cfg-options`` takes them."""
    if not options:
        return '(none)'
    return '`' + shlex.join(f'{key}={_value(value)}' for key, value in options.items()) + '`'


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f'[{",".join(str(item) for item in value)}]'
    return str(value)
