"""The demo's picture: two videos, training curves, accuracies, and what each class gained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ..datasets.shapes.classes import NOVEL_ACTIONS
from ..datasets.shapes.render import render
from ..datasets.shapes.scenes import DOMAINS
from ..files import replacing
from .demo import HALVES, Curve, DemoResult, Scores, both_halves

_FROZEN, _BASE, _NOVEL = '#9aa0a6', '#3366cc', '#e8710a'


def draw(result: DemoResult, path: Path) -> None:
    """Save the picture of a demo result as PNG, whole or not at all."""
    with mpl.rc_context({'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False}):
        figure = Figure(figsize=(13.5, 9), layout='constrained')
        halves: Any = figure.subfigures(2, 1, height_ratios=(1, 1.9))
        top, bottom = halves
        sides: Any = bottom.subfigures(1, 2, width_ratios=(1, 1.9))
        left, right = sides
        _films(top)
        loss, accuracy, bars = left.subplots(3, 1)
        _curves(loss, accuracy, result.curves)
        _bars(bars, result)
        _gains(right.subplots(1, 2), result)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, facecolor='white')


def _films(figure: Any) -> None:
    """The same action in both domains, frame by frame."""
    action = NOVEL_ACTIONS[-6]
    for axis, domain, title in zip(
        figure.subplots(2, 1),
        ('plain', 'target'),
        ('plain: what the tiny ViCLIP was trained on', 'target: what the videos look like here'),
        strict=True,
    ):
        frames, _ = render(action, DOMAINS[domain], np.random.default_rng(7), 12, 64)
        axis.imshow(
            np.concatenate(
                [np.pad(f, ((0, 0), (0, 3), (0, 0)), constant_values=255) for f in frames], axis=1
            ),
            interpolation='nearest',
        )
        axis.set_axis_off()
        axis.set_title(f'{title} ("{action.name}")', loc='left')


def _curves(loss: Any, accuracy: Any, curves: dict[int, Curve]) -> None:
    for seed, curve in curves.items():
        style = dict(lw=1.3, alpha=0.85, label=f'seed {seed}')
        loss.plot(curve.epoch, _smooth(curve.loss), **style)
        accuracy.plot(curve.epoch, _smooth(curve.accuracy), **style)
    loss.set(title='training loss', ylabel='loss')
    loss.set_ylim(bottom=0)
    accuracy.set(title='training accuracy', ylabel='top-1 (%)', xlabel='epoch', ylim=(0, 101))
    if len(curves) > 1:
        loss.legend(frameon=False)


def _smooth(values: list[float], window: int = 6) -> np.ndarray:
    """Running mean over the last steps; shorter at the start."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _bars(axis: Any, result: DemoResult) -> None:
    runs = list(result.trained.values())
    columns = [[scores[half].top1 for scores in runs] for half in HALVES]
    columns.append([both_halves(scores) for scores in runs])
    frozen = [result.frozen[half].top1 for half in HALVES] + [both_halves(result.frozen)]
    means = [float(np.mean(column)) for column in columns]
    places = np.arange(3)
    axis.bar(places - 0.2, frozen, 0.38, color=_FROZEN, label='frozen')
    spread = [float(np.std(column, ddof=1)) for column in columns] if len(runs) > 1 else None
    axis.bar(places + 0.2, means, 0.38, yerr=spread, color=_BASE, capsize=3, label='MSTA')
    for offset, values in ((-0.2, frozen), (0.2, means)):
        for place, value in zip(places, values, strict=True):
            axis.text(place + offset, 2, f'{value:.1f}', ha='center', color='white')
    axis.set_xticks(places, ['base', 'novel', 'harmonic mean'])
    axis.set(title='test accuracy', ylabel='top-1 (%)', ylim=(0, 100))
    axis.legend(frameon=False, ncols=2, loc='upper right')


def _gains(axes: Any, result: DemoResult) -> None:
    for axis, half, colour in zip(axes, HALVES, (_BASE, _NOVEL), strict=True):
        frozen = result.frozen[half]
        trained = np.mean([scores[half].per_class for scores in result.trained.values()], axis=0)
        gains = trained - frozen.per_class
        order = np.argsort(gains, kind='stable')
        axis.barh(np.arange(len(order)), gains[order], color=colour, height=0.7)
        axis.set_yticks(np.arange(len(order)), [_short(frozen, i) for i in order], fontsize=7.5)
        axis.axvline(0, color='black', lw=0.8)
        axis.set(title=f'gain of each {half} class', xlabel='points of accuracy over frozen')
        axis.set_ylim(-0.6, len(order) - 0.4)
        axis.spines['left'].set_visible(False)
        axis.tick_params(axis='y', length=0)


def _short(scores: Scores, index: int) -> str:
    return scores.labels[index].removeprefix('a ').replace('counterclockwise', 'counter-cw')
