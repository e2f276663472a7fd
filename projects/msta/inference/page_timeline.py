"""What is when, as HTML to click on: curves of probability and segments. No torch."""

from __future__ import annotations

from html import escape
from statistics import fmean

from .annotate import winners
from .results import NONE_OF_THESE
from .segments import Timeline, clock

# Told apart by most colour-blind people too (Okabe and Ito).
_COLOURS = ('#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9')
_OTHER = '#999'


def timeline_html(timeline: Timeline) -> str:
    """Draw up to six labels, the winners first, of a timeline whose cells have all labels."""
    cells, length = timeline.cells, timeline.duration_sec
    rows = [dict(zip(cell.labels, cell.probabilities, strict=True)) for cell in cells]
    likely = sorted(rows[0], key=lambda name: -fmean(row[name] for row in rows))
    names = list(dict.fromkeys([*winners(timeline), *likely]))[: len(_COLOURS)]
    colours = dict(zip(names, _COLOURS, strict=False))
    centres = [50 * (cell.start_sec + cell.end_sec) / length for cell in cells]
    centres[0], centres[-1] = 0.0, 100.0 if len(cells) > 1 else 0.0
    curves = ''.join(
        f'<path stroke="{colour}" d="M'
        + ' L'.join(
            f'{x:.2f},{100 * (1 - row[name]):.2f}' for x, row in zip(centres, rows, strict=True)
        )
        + (' H100' if len(cells) == 1 else '')
        + '"/>'
        for name, colour in reversed(colours.items())
    )
    strip = ''.join(
        f'<span style="flex-grow:{s.end_sec - s.start_sec:.3f};'
        f'background:{colours.get(s.label, _OTHER)}" title="{clock(s.start_sec)} - '
        f'{clock(s.end_sec)}: {escape(s.label)} {_share(s.label, s.probability)}">'
        f'{escape(s.label)}</span>'
        for s in timeline.segments
    )
    key = ''.join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in colours.items()
    )
    return (
        f'<div class="plot" data-seconds="{length:.3f}" tabindex="0" role="slider" '
        f'aria-label="Position in the video, seconds" aria-valuemin="0" '
        f'aria-valuemax="{length:.1f}" aria-valuenow="0">'
        '<svg viewBox="0 -3 100 106" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="grid" d="M0,0 H100 M0,50 H100 M0,100 H100"/>'
        f'{curves}</svg><span class="scale" style="top:5px">100%</span>'
        '<span class="scale" style="top:62px">50%</span>'
        f'<div class="segments">{strip}</div><i class="now"></i></div>'
        f'<div class="axis"><span>0:00</span><span>{clock(length / 2)}</span>'
        f'<span>{clock(length)}</span></div><div class="key">{key}</div>'
    )


def _share(label: str, probability: float) -> str:
    return '' if label == NONE_OF_THESE else f'{probability:.0%}'
