"""The plain files of an adapted folder. No torch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.lists.annotations import Video, write_annotations, write_lines
from ..files import write_json, write_text
from .several import per_class
from .split import Split

if TYPE_CHECKING:
    from .report import Findings


def write_lists(
    out: Path,
    root: Path,
    names: Sequence[str],
    split: Split,
    left_out: Sequence[tuple[str, str]],
    multi_label: bool = False,
) -> None:
    """Write class names, both lists, what was left out, and each clip's side and group."""
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / 'labels.txt', names)
    sides = {}
    for side, clips in (('train', split.train), ('test', split.test)):
        videos = [Video(clip.path, clip.labels[0], clip.labels[1:]) for clip in clips]
        write_annotations(out / f'{side}.txt', videos, multi_label)
        for clip in clips:
            sides[str(root / clip.path)] = {
                'side': side,
                'group': clip.group,
                'labels': list(clip.labels),
            }
    write_json(out / 'split.json', sides, indent=0)
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows([('path', 'why'), *left_out])
    write_text(out / 'left_out.csv', text.getvalue())


def write_results(path: Path, findings: Findings, figures: Mapping[str, Any], rate: float) -> None:
    """Write what the report shows, for programs."""
    data = {
        'classes': findings.names,
        'headline': {key: asdict(value) for key, value in figures.items() if key != 'parts'},
        'parts': [
            {key: value if isinstance(value, str) else asdict(value) for key, value in part.items()}
            for part in figures.get('parts', [])
        ],
        'learning_rate': rate,
        'trials': [
            {'rate': t.rate, findings.measure: t.value, 'loss': t.loss} for t in findings.trials
        ],
        **({'threshold': findings.threshold} if findings.multi_label else {}),
        'choices': {name: asdict(choice) for name, choice in findings.choices.items()},
        **({'per_class': per_class(findings)} if findings.multi_label else {}),
        'left_out': [{'path': video, 'why': why} for video, why in findings.left_out],
        'near_duplicates': [{'test': a, 'train': b} for a, b in findings.copies],
        'remarks': findings.remarks,
        'clips': [
            {
                'path': clip.path,
                'labels': [findings.names[k] for k in clip.labels],
                'frozen': _plain(findings.frozen[index]),
                'adapted': _plain(findings.adapted[index]),
            }
            for index, clip in enumerate(findings.test)
        ],
    }
    write_json(path, data, indent=1)


def _plain(scores: np.ndarray) -> list[float | None]:
    return [None if math.isnan(score) else round(float(score), 6) for score in scores]
