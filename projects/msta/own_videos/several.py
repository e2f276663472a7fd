"""What the report shows where a clip may have several labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .judge import mean_precisions, truth_of

if TYPE_CHECKING:
    from .report import Findings


def headline(findings: Findings) -> dict[str, Any]:
    """Mean average precision of frozen and adapted, and the gain; old and new classes apart."""
    truth = truth_of(findings.test, len(findings.names))
    groups = [clip.group for clip in findings.test]
    keys, parts = ('frozen', 'adapted', 'gain'), []
    new = np.isin(np.arange(len(findings.names)), sorted(findings.new_classes))
    for name, chosen in (('known before', ~new), ('new', new)):
        if new.any() and truth[:, chosen].any():
            scores = (findings.frozen[:, chosen], findings.adapted[:, chosen])
            rates = mean_precisions(*scores, truth[:, chosen], groups)
            parts.append(dict(name=name, frozen=rates[0], adapted=rates[1]))
    rates = mean_precisions(findings.frozen, findings.adapted, truth, groups)
    return dict(zip(keys, rates, strict=True), parts=parts)


def guessing(findings: Findings) -> float:
    """The mean average precision of chance in percent: how common a class is, on average."""
    shares = truth_of(findings.test, len(findings.names)).mean(0)
    return float(100 * shares[shares > 0].mean())


def per_class(findings: Findings) -> list[dict[str, Any]]:
    """Clips, average precisions in 0..1 (None if untested), precision and recall of each class."""
    from ..evaluation.multi_label import average_precisions

    count = len(findings.names)
    truth = truth_of(findings.test, count)
    nothing = np.full(count, np.nan)
    before, after = (
        average_precisions(scores, truth) if findings.test else nothing
        for scores in (findings.frozen, findings.adapted)
    )
    shown = findings.adapted >= findings.threshold
    rows = []
    for k, name in enumerate(findings.names):
        right, given, true = (int(x[:, k].sum()) for x in (shown & truth, shown, truth))
        rows.append(
            dict(
                name=name,
                trained=sum(k in clip.labels for clip in findings.train),
                tested=true,
                frozen=float(before[k]) if true else None,
                adapted=float(after[k]) if true else None,
                precision=right / given if given else None,
                recall=right / true if true else None,
            )
        )
    return rows


def class_rows(findings: Findings) -> list[dict[str, Any]]:
    """:func:`per_class` as the report's table shows it."""
    rows = []
    for k, row in enumerate(per_class(findings)):
        new = ' (new)' if k in findings.new_classes else ''
        share = None if row['adapted'] is None else 100 * row['adapted']
        rows.append(
            dict(
                name=row['name'] + new,
                trained=row['trained'],
                tested=row['tested'],
                frozen=_percent(row['frozen']),
                adapted=_percent(row['adapted']),
                share=share,
                confused=f'{_percent(row["precision"])} / {_percent(row["recall"])}',
            )
        )
    return rows


def mistakes(findings: Findings) -> list[dict[str, Any]]:
    """Clips whose labels shown are not the true ones; ``sure``: how far the worst is off."""
    truth = truth_of(findings.test, len(findings.names))
    found = []
    for clip, scores, true in zip(findings.test, findings.adapted, truth, strict=True):
        shown = scores >= findings.threshold
        if not np.isfinite(scores).all() or (shown == true).all():
            continue
        found.append(
            dict(
                path=clip.path,
                said=_listed(findings, scores, shown) or 'none of the labels',
                truth=_listed(findings, scores, true),
                sure=float(np.abs(scores - findings.threshold)[shown != true].max()),
            )
        )
    return found


def _listed(findings: Findings, scores: np.ndarray, chosen: np.ndarray) -> str:
    order = [k for k in np.argsort(-scores) if chosen[k]]
    return ', '.join(f'{findings.names[k]} ({scores[k]:.0%})' for k in order)


def _percent(value: float | None) -> str:
    return '\u2013' if value is None else f'{100 * value:.0f}%'
