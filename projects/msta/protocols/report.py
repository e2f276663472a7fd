"""The results of a plan beside the published numbers: report.json and report.md. No torch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.measures import harmonic_mean
from ..files import write_json, write_text
from .definitions import ProtocolError
from .manifest import read_json
from .plan import Evaluation, Plan, Run
from .published import PUBLISHED

Result = dict[str, Any]
_MEASURES = (('top-1', 'top1'), ('top-5', 'top5'), ('mean class', 'mean_class'), ('ECE', 'ece'))
SELECTION = {
    'last': 'the last epoch (nothing is selected by test videos)',
    'best': 'the best epoch ON THE TEST VIDEOS, as in the published logs: optimistic',
}


def make_report(plan: Plan) -> dict[str, Any]:
    """Read the results of every run and put them together.

    Raises:
        ProtocolError: a result is missing.
    """
    request = plan.request
    trained = [{e.part: _result(e) for e in run.tests} for run in plan.runs]
    frozen = [{e.part: _result(e) for e in run.frozen} for run in plan.runs]
    rows = [
        {'name': f'this run ({request.select} epoch)', 'values': _columns(plan, trained)},
        {'name': 'frozen model, this run', 'values': _columns(plan, frozen, frozen=True)},
    ]
    published = PUBLISHED[request.protocol].get(request.dataset, {})
    if request.protocol == 'base2novel' and plan.runs[0].cell.shots != 16:
        published = {}
    other = ' (ViCLIP-B/16)' if request.model != 'viclip-b16' or request.config else ''
    for source, row in published.items():
        values = {column: _summary([value]) for column, value in row.items()}
        rows.append({'name': f'{source}{other}', 'values': values})
    manifests = [read_json(run.folder / 'manifest.json') or {} for run in plan.runs]
    return {
        'protocol': request.protocol,
        'dataset': request.dataset,
        'config': str(plan.runs[0].recipe),
        'selection': request.select,
        'lists': 'vificlip' if request.published_lists else 'own',
        'views': plan.views,
        'spread': 'splits' if _over_splits(trained[0]) else 'seeds',
        'rows': rows,
        'runs': list(map(_describe_run, plan.runs, trained, manifests)),
        'frozen': {
            part: result['values'] for results in frozen for part, result in results.items()
        },
        'packages': manifests[0].get('packages'),
        'foundation_fingerprint': manifests[0].get('foundation_fingerprint'),
        'trainable_parameters': manifests[0].get('trainable_parameters'),
    }


def _result(evaluation: Evaluation) -> Result:
    result = read_json(evaluation.result)
    if result is None:
        raise ProtocolError(f'no result {evaluation.result}; the same command makes it')
    return result


def _describe_run(run: Run, results: Mapping[str, Result], manifest: Mapping) -> dict[str, Any]:
    return {
        'name': run.cell.name,
        'seed': run.cell.seed,
        'shots': run.cell.shots,
        'folder': str(run.folder),
        'training_seconds': manifest.get('training_seconds'),
        'interrupted': manifest.get('interrupted'),
        'identity': manifest.get('identity'),
        'parts': {
            part: {
                **result['values'],
                'seconds': result['seconds'],
                'checkpoint': Path(result['checkpoint']).name,
                'result': str(evaluation.result),
                'unreadable': result['failed'],
            }
            for (part, result), evaluation in zip(results.items(), run.tests, strict=True)
        },
    }


def _over_splits(results: Mapping[str, Result]) -> bool:
    return all(part.startswith('split') for part in results)


def _columns(
    plan: Plan, results: Sequence[Mapping[str, Result]], frozen: bool = False
) -> dict[str, dict[str, Any]]:
    """Column of the main table -> summary of its values in percent."""
    protocol = plan.request.protocol
    values: dict[str, list[float]] = {}
    for run, parts in zip(plan.runs, results, strict=True):
        found = {part: 100 * result['values']['top1'] for part, result in parts.items()}
        if protocol == 'base2novel':
            found['HM'] = harmonic_mean(found['base'], found['novel'])
        elif protocol == 'few_shot':
            found = {f'{run.cell.shots}-shot': found['test']}
        elif protocol == 'supervised':
            measured = parts['test']['values']
            found = {name: 100 * measured[key] for name, key in _MEASURES[:3] if key in measured}
        for column, value in found.items():
            values.setdefault(column, []).append(value)
    # Of each seed the frozen model is the same.
    summaries = {column: _summary(v[:1] if frozen else v) for column, v in values.items()}
    if protocol == 'zero_shot' and _over_splits(results[0]):
        summaries['mean'] = _summary([summary['mean'] for summary in summaries.values()])
    return summaries


def _summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean and sample standard deviation (n - 1)."""
    std = statistics.stdev(values) if len(values) > 1 else None
    return {'mean': statistics.fmean(values), 'std': std, 'values': list(values)}


def to_markdown(report: Mapping[str, Any], command: str) -> str:
    """Return the report as a page."""
    columns = list(dict.fromkeys(c for row in report['rows'] for c in row['values']))
    lines = [
        f'# {report["protocol"]}: {report["dataset"]}',
        '',
        f'Config `{report["config"]}`; {report["views"]} views (clips x crops) a video. Reported: '
        f'{SELECTION[report["selection"]]}. Top-1 in percent, each part within its own classes; '
        f'± is the standard deviation (n - 1) over {report["spread"]}.',
        '',
        *table(
            ['', *columns],
            [
                [row['name'], *(summary_cell(row['values'].get(column)) for column in columns)]
                for row in report['rows']
            ],
        ),
    ]
    ours = report['rows'][0]['values']
    if report['protocol'] == 'base2novel' and len(report['runs']) > 1:
        of_means = harmonic_mean(ours['base']['mean'], ours['novel']['mean'])
        lines += ['', f'HM is the mean over seeds; the HM of the means is {of_means:.1f}.']
    lines += ['', '## Runs', '', *_runs_table(report), '']
    failed = sum(part['failed'] for run in report['runs'] for part in run['parts'].values())
    if failed:
        lines += [f'{failed} video tests failed: unreadable files, counted as wrong.', '']
    packages = ', '.join(f'{name} {number}' for name, number in (report['packages'] or {}).items())
    lines += [
        f'Lists: {report["lists"]}. Foundation {report["foundation_fingerprint"]}, '
        f'{report["trainable_parameters"]:,} trainable parameters. {packages}.',
        '',
        f'    {command}',
        '',
    ]
    return '\n'.join(lines)


def _runs_table(report: Mapping[str, Any]) -> list[str]:
    measures = [name for name, _ in _MEASURES]
    header = ['run', 'part', *measures, 'videos', 'failed', 'training']
    rows = [
        [
            run['name'],
            part,
            *(f'{100 * found[key]:.1f}' if key in found else '-' for _, key in _MEASURES),
            str(found['expected']),
            str(found['failed']),
            f'{run["training_seconds"]:.0f} s' + (' (resumed)' if run['interrupted'] else ''),
        ]
        for run in report['runs']
        for part, found in run['parts'].items()
    ]
    return table(header, rows)


def summary_cell(summary: Mapping[str, Any] | None) -> str:
    """``mean ± std``; a dash without a value."""
    if summary is None:
        return '-'
    spread = '' if summary['std'] is None else f' ± {summary["std"]:.1f}'
    return f'{summary["mean"]:.1f}{spread}'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    ruler = ['---', *['---:'] * (len(header) - 1)]
    return [f'| {" | ".join(cells)} |' for cells in (header, ruler, *rows)]


def write_report(plan: Plan, command: str) -> tuple[dict[str, Any], str]:
    """Write report.json, report.md, per_class.csv and the plots; give the report and its page."""
    from .per_class import write_plots, write_table

    report = make_report(plan)
    page = to_markdown(report, command)
    write_plots(plan)
    write_table(plan)
    write_json(plan.report_dir / 'report.json', report, indent=1)
    write_text(plan.report_dir / 'report.md', page)
    return report, page
