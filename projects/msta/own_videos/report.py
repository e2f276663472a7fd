"""The report: one self-contained page, from what was collected, chosen and measured."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..evaluation.measures import confusion_matrix
from ..files import write_text
from . import several
from .collect import Clip
from .judge import Rate, paired_gain, rate, right_answers
from .models import Trial
from .recipe import Choice, words

_MOST_CLASSES_IN_MATRIX = 40
_MOST_MISTAKES = 24
_FRAME_HEIGHT = 96


@dataclass(slots=True)
class Findings:
    """What the report shows.

    ``frozen`` and ``adapted`` are scores ``(N, K)`` of the held-out clips ``test``; NaN rows are
    clips that could not be read.
    """

    title: str
    names: list[str]
    train: list[Clip]
    test: list[Clip]
    frozen: np.ndarray
    adapted: np.ndarray
    choices: dict[str, Choice]
    trials: list[Trial] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)
    new_classes: frozenset[int] = frozenset()
    command: str = ''
    folder: Path = Path()
    multi_label: bool = False
    threshold: float = 0.5

    @property
    def measure(self) -> str:
        """What the headline's figures are."""
        return 'mean average precision' if self.multi_label else 'accuracy'


def headline(findings: Findings) -> dict[str, Any]:
    """The figures on top: frozen, adapted, gain, with intervals; old and new classes apart."""
    if findings.multi_label:
        return several.headline(findings)
    truth = np.array([clip.label for clip in findings.test])
    groups = [clip.group for clip in findings.test]
    before, after = (right_answers(s, truth) for s in (findings.frozen, findings.adapted))
    parts = []
    if findings.new_classes:
        new = np.isin(truth, sorted(findings.new_classes))
        for name, chosen in (('known before', ~new), ('new', new)):
            parts.append(dict(name=name, frozen=rate(before[chosen]), adapted=rate(after[chosen])))
    return dict(
        frozen=rate(before), adapted=rate(after), gain=paired_gain(before, after, groups),
        parts=parts,
    )  # fmt: skip


def write_report(
    path: Path, findings: Findings, frames_of: Callable[[str], np.ndarray | None]
) -> dict[str, Any]:
    """Write the page; return the headline's figures.

    Args:
        path: the file to write.
        findings: what is shown.
        frames_of: path of a clip -> the frames ``(T, H, W, 3)`` that the model saw, or None.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=PackageLoader(__package__, '.'), autoescape=select_autoescape(default=True)
    )
    figures = headline(findings) if findings.test else {}
    page = environment.get_template('report.html.j2').render(
        title=findings.title,
        subtitle=f'{len(findings.names)} classes, {len(findings.train)} clips trained on, '
        f'{len(findings.test)} held out',
        headline=_sentence(figures, findings),
        overall=figures or None,
        overall_note=_note(findings),
        chance=several.guessing(findings)
        if findings.multi_label and findings.test
        else 100 / len(findings.names),
        parts=figures.get('parts'),
        remarks=findings.remarks,
        measure='average precision' if findings.multi_label else '',
        last='precision / recall' if findings.multi_label else 'most often taken for',
        classes=_class_rows(findings),
        matrix=_matrix(findings),
        **_mistakes(findings, frames_of),
        left_out=[dict(path=p, why=why) for p, why in findings.left_out],
        copies=findings.copies,
        choices=[
            dict(name=name.replace('_', ' '), value=words(c.value), reason=c.reason)
            for name, c in findings.choices.items()
        ],
        trials=', '.join(
            f'{t.rate:g} gave {100 * t.value:.1f}% (loss {t.loss:.2f})' for t in findings.trials
        ),
        commands='\n'.join(['# made by', findings.command, '# next', *next_lines(findings)]),
    )
    write_text(path, page)
    return figures


def _sentence(figures: Mapping[str, Any], findings: Findings) -> str:
    if not figures:
        return 'No clip is held out, so nothing was measured'
    gain: Rate = figures['gain']
    told = f'{figures["frozen"].value:.1f}% \u2192 {figures["adapted"].value:.1f}%'
    tested = len(findings.test)
    if findings.multi_label:
        told += f' mean average precision on {tested} clips'
    else:
        told += f' of {tested} clips are recognised'
    if gain.low > 0:
        return f'Adapting helps: {told}'
    if gain.high < 0:
        return f'Adapting hurts: {told}'
    return f'Too few clips to say whether adapting helps: {told}'


def _note(findings: Findings) -> str:
    groups = len({clip.group for clip in findings.test})
    failed = int((~np.isfinite(findings.adapted).all(1)).sum()) if findings.test else 0
    if findings.multi_label:
        note = (
            f'Mean of the classes\u2019 average precisions on held-out clips of {groups} '
            'recordings. Intervals: bootstrap over recordings. Labels are shown from a probability '
            f'of {findings.threshold:.2f} on.'
        )
        return note + (f' {failed} clips could not be read and rank last.' if failed else '')
    note = (
        f'Top-1 on held-out clips of {groups} recordings. Intervals: Wilson for a rate, bootstrap '
        'over recordings for the gain.'
    )
    return note + (f' {failed} clips could not be read and count as wrong.' if failed else '')


def _class_rows(findings: Findings) -> list[dict[str, Any]]:
    if findings.multi_label:
        rows = several.class_rows(findings)
        return sorted(rows, key=_weakest_first)
    truth = np.array([clip.label for clip in findings.test], int)
    before = right_answers(findings.frozen, truth) if findings.test else np.empty(0, bool)
    after = right_answers(findings.adapted, truth) if findings.test else np.empty(0, bool)
    answers = _answers(findings)
    rows = []
    for label, name in enumerate(findings.names):
        here = truth == label
        tested = int(here.sum())
        wrong = answers[here & ~after]
        wrong = wrong[wrong >= 0]
        confused = findings.names[int(np.bincount(wrong).argmax())] if len(wrong) else ''
        share = 100 * float(after[here].mean()) if tested else None
        rows.append(
            dict(
                name=name + (' (new)' if label in findings.new_classes else ''),
                trained=sum(label in clip.labels for clip in findings.train),
                tested=tested,
                frozen=f'{100 * before[here].mean():.0f}%' if tested else '\u2013',
                adapted=f'{share:.0f}%' if share is not None else '\u2013',
                share=share,
                confused=confused,
            )
        )
    return sorted(rows, key=_weakest_first)


def _weakest_first(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    return row['share'] is None, row['share'] or 0.0, row['name']


def _answers(findings: Findings) -> np.ndarray:
    """The adapted model's answers ``(N,)``; -1 for a clip that failed."""
    if not findings.test:
        return np.empty(0, int)
    known = np.isfinite(findings.adapted).all(1)
    best = np.where(np.isfinite(findings.adapted), findings.adapted, -np.inf).argmax(1)
    return np.where(known, best, -1)


def _matrix(findings: Findings) -> dict[str, Any] | None:
    if findings.multi_label or not findings.test or len(findings.names) > _MOST_CLASSES_IN_MATRIX:
        return None
    truth = np.array([clip.label for clip in findings.test])
    counts = confusion_matrix(_answers(findings), truth, len(findings.names))
    rows = []
    for label, name in enumerate(findings.names):
        total = max(1, int(counts[label].sum()))
        cells = []
        for column, count in enumerate(counts[label].tolist()):
            share = count / total
            hue = '36,87,197' if column == label else '179,38,30'
            cells.append(
                dict(count=count, colour=f'rgba({hue},{0.9 * share:.2f})', dark=share > 0.55)
            )
        rows.append(dict(name=name, cells=cells))
    return dict(names=findings.names, rows=rows)


def _mistakes(findings: Findings, frames_of: Callable[[str], np.ndarray | None]) -> dict[str, Any]:
    wrong = several.mistakes(findings) if findings.multi_label else _wrong_answers(findings)
    wrong.sort(key=lambda item: -item['sure'])
    shown = []
    for item in wrong[:_MOST_MISTAKES]:
        frames = frames_of(item['path'])
        shown.append(item | {'frames': [] if frames is None else [_jpeg(f) for f in frames]})
    return dict(mistakes=shown, mistakes_left=len(wrong) - len(shown))


def _wrong_answers(findings: Findings) -> list[dict[str, Any]]:
    return [
        dict(
            path=clip.path,
            said=f'{findings.names[answer]} ({scores[answer]:.0%})',
            truth=f'{findings.names[clip.label]} ({scores[clip.label]:.0%})',
            sure=scores[answer],
        )
        for clip, answer, scores in zip(
            findings.test, _answers(findings), findings.adapted, strict=True
        )
        if answer >= 0 and answer not in clip.labels
    ]


def _jpeg(frame: np.ndarray) -> str:
    height, width = frame.shape[:2]
    size = (max(1, round(width * _FRAME_HEIGHT / height)), _FRAME_HEIGHT)
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode('.jpg', small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(data.tobytes()).decode()


def next_lines(findings: Findings) -> list[str]:
    """Commands to run next, and where more clips would help most."""
    here = Path.cwd()
    near = findings.folder.is_relative_to(here)
    folder = shlex.quote(str(findings.folder.relative_to(here) if near else findings.folder))
    parts = f'--config {folder}/config.py --checkpoint {folder}/adapters.pth'
    lines = [
        f'tools/infer.py VIDEO {parts}',
        f'tools/demo_app.py {parts}',
        f'tools/adapt.py MORE_VIDEOS --start {folder} --out NEW_FOLDER',
    ]
    rows = [row for row in _class_rows(findings) if row['share'] is not None and row['share'] < 100]
    if rows:
        names = ', '.join(row['name'] for row in rows[:3])
        lines.append(f'# more clips would help most for: {names}')
    return lines
