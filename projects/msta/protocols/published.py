"""Published top-1 accuracies (%) of each protocol, to stand beside ours.

Sources: the paper (CVPR 2025, arXiv 2411.11223) and the authors' training logs. The logs keep the
best epoch on the test set itself.
"""

from __future__ import annotations

Row = dict[str, float]

PAPER = 'published, paper'
LOGS = 'published, training logs (best epoch)'

_HM = {
    PAPER: (66.3, 82.9, 72.0, 18.9),
    'published, frozen ViCLIP': (54.9, 75.3, 65.9, 9.1),
    'published, full fine-tuning': (62.7, 81.6, 71.3, 17.0),
    'published, AdaptFormer': (64.3, 82.3, 71.1, 17.0),
    'published, LoRA': (64.0, 82.1, 70.9, 16.0),
}
_BASE_TO_NOVEL_LOGS = {
    'hmdb51': (77.5, 57.0, 65.7),
    'ucf101': (96.0, 73.0, 82.9),
    'kinetics400': (77.2, 65.9, 71.1),
    'ssv2': (21.5, 14.9, 17.6),
}
_FEW_SHOT_LOGS = {
    'hmdb51': (61.2, 62.3, 67.1, 70.4),
    'ucf101': (86.1, 90.2, 92.7, 94.8),
    'ssv2': (9.1, 10.4, 13.3, 17.5),
}
_ZERO_SHOT = {'hmdb51': 55.8, 'ucf101': 78.7, 'kinetics600': 74.5}


def _base_to_novel() -> dict[str, dict[str, Row]]:
    rows: dict[str, dict[str, Row]] = {}
    for place, (name, logs) in enumerate(_BASE_TO_NOVEL_LOGS.items()):
        rows[name] = {source: {'HM': values[place]} for source, values in _HM.items()}
        rows[name][LOGS] = dict(zip(('base', 'novel', 'HM'), logs, strict=True))
    return rows


# protocol -> data set -> source -> column of the report -> top-1 (%)
PUBLISHED: dict[str, dict[str, dict[str, Row]]] = {
    'base2novel': _base_to_novel(),
    'few_shot': {
        name: {LOGS: {f'{k}-shot': v for k, v in zip((2, 4, 8, 16), values, strict=True)}}
        for name, values in _FEW_SHOT_LOGS.items()
    },
    'zero_shot': {name: {PAPER: {'mean': value}} for name, value in _ZERO_SHOT.items()},
    'supervised': {'kinetics400': {PAPER: {'top-1': 82.2, 'top-5': 96.2}}},
}
