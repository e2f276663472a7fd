"""Pictures of what a model does: attention, class similarities, adapter norms, embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from ..files import PICTURES, check_target, replacing

_NUMBERED_LABELS = 30
_COLOURED_LABELS = 20


def draw_attention(frames: np.ndarray, attention: np.ndarray, title: str, path: str | Path) -> None:
    """Frames ``(T, H, W, 3)``, uint8, over the same with attention ``(T, h, w)`` as heat.

    The heat of all frames has one scale: a frame that is not looked at stays dark. What the shares
    lack to 100% the CLS token pays to itself.
    """
    total = attention.sum()
    whole = len(frames) if total > 1.001 else 1  # a tower that sees frames alone sums to 1 in each
    figure = new_figure(max(2 * len(frames), 5), 4.9)
    axes = figure.subplots(2, len(frames), squeeze=False)
    for (top, bottom), frame, weights in zip(axes.T, frames, attention, strict=True):
        top.imshow(frame)
        top.set_title(f'{weights.sum() / whole:.0%}', fontsize=10)
        bottom.imshow(heat(frame, weights / attention.max()))
    for ax in axes.flat:
        ax.set_axis_off()
    shares = f'frames {total / whole:.0%} in sum, CLS token itself {abs(1 - total / whole):.0%}'
    figure.suptitle(f'{title}\nAttention of the CLS token: {shares}', fontsize=11)
    save(figure, path)


def heat(frame: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a frame ``(H, W, 3)`` darkened and coloured by weights ``(h, w)`` between 0 and 1."""
    size = (frame.shape[1], frame.shape[0])
    large = cv2.resize(weights.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    levels = (np.clip(large, 0, 1) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    return cv2.addWeighted(frame, 0.4, np.ascontiguousarray(colours), 0.6, 0)


def draw_similarities(
    matrices: Mapping[str, np.ndarray], labels: Sequence[str], path: str | Path
) -> None:
    """Cosines between classes ``(K, K)`` side by side; the diagonal is off the scale.

    Up to 30 classes keep their order and have the numbers in their cells; more are put in an order
    in which similar ones, by the last matrix, are neighbours.
    """
    count, few = len(labels), len(labels) <= _NUMBERED_LABELS
    if count < 2:
        raise ValueError('similarities are between classes: give at least two labels')
    order: Any = range(count) if few else neighbours_together(list(matrices.values())[-1])
    names = [labels[index] for index in order]
    off = ~np.eye(count, dtype=bool)
    values = np.concatenate([m[off] for m in matrices.values()])
    side = min(max(4.0, 0.42 * count), 16.0)
    font = float(np.clip(0.7 * 72 * side / count, 2.5, 8.0))
    # Inches of the longest name; the layout of square panels makes no room for it by itself.
    longest = 0.6 * font / 72 * max(map(len, names))
    size = side * len(matrices) + longest + 1.8, side + longest + 0.8
    figure = new_figure(*size, layout='compressed')
    axes = figure.subplots(1, len(matrices), squeeze=False, sharey=True)[0]
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
        shown = matrix[np.ix_(order, order)]
        image = ax.imshow(shown, vmin=values.min(), vmax=values.max(), cmap='viridis')
        ax.set_title(
            f'{title}: mean {matrix[off].mean():.3f}'
            + ('' if few else ', similar classes together')
        )
        ax.set_xticks(range(count), names, rotation=90, fontsize=font)
        ax.set_yticks(range(count), names, fontsize=font)
        for row, column in np.argwhere(off) if few else ():
            value = shown[row, column]
            colour = 'black' if image.norm(value) > 0.5 else 'white'
            style = dict(color=colour, fontsize=7, ha='center', va='center')
            ax.text(column, row, f'{value:.2f}', **style)
    figure.colorbar(image, ax=list(axes), shrink=0.8, label='cosine between class embeddings')
    save(figure, path)


def neighbours_together(similarities: np.ndarray) -> np.ndarray:
    """Order classes ``(K, K)`` -> ``(K,)`` so that similar ones, up to 1, are neighbours.

    The order is that of the leaves of an average-linkage tree.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distances = np.clip(1 - similarities, 0, None)
    np.fill_diagonal(distances, 0)
    condensed = squareform((distances + distances.T) / 2, checks=False)
    return leaves_list(linkage(condensed, 'average', optimal_ordering=True))


def draw_norms(norms: Mapping[str, Mapping[str, float]], path: str | Path) -> None:
    """Norm of the trained weights by block (outer keys) and part (inner keys), as bars."""
    blocks = list(norms)
    parts = sorted({part for of_block in norms.values() for part in of_block})
    figure = new_figure(max(6, 0.8 * len(blocks) + 4), 4)
    ax: Axes = figure.subplots()
    width = 0.8 / len(parts)
    for index, part in enumerate(parts):
        places = np.arange(len(blocks)) + (index - (len(parts) - 1) / 2) * width
        ax.bar(places, [norms[block].get(part, 0.0) for block in blocks], width, label=part)
    ax.set_xticks(range(len(blocks)), blocks)
    ax.set(xlabel='block', ylabel='root mean square of the weights', title='Trained weights')
    figure.legend(loc='outside right upper', frameon=False)
    save(figure, path)


def draw_map(
    videos: np.ndarray,
    answers: Sequence[int],
    classes: np.ndarray,
    labels: Sequence[str],
    path: str | Path,
    seed: int = 0,
) -> None:
    """Embeddings of videos ``(N, D)``, dots, and classes ``(K, D)``, stars, by t-SNE.

    The two kinds lie in cones of their own, so each is centred first. A dot has the colour of
    its answer, which need not be the truth: a list of truths is not asked for.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ImportError(
            'the map needs scikit-learn: pip install -r requirements/visualize.txt'
        ) from error
    points = np.concatenate([videos - videos.mean(0), classes - classes.mean(0)])
    if len(points) < 4:
        raise ValueError(f'a map of {len(videos)} videos and {len(classes)} classes: too few')
    perplexity = min(30.0, (len(points) - 1) / 3)
    flat = TSNE(perplexity=perplexity, init='pca', metric='cosine', random_state=seed)
    dots, stars = np.split(flat.fit_transform(points), [len(videos)])
    # The classes that are answered most have colours of their own, the others are grey.
    counts = np.bincount(np.asarray(answers, dtype=int), minlength=len(labels))
    ranked = np.argsort(-counts, kind='stable')
    colours = np.full(len(labels), '0.7', dtype=object)
    coloured = ranked[:_COLOURED_LABELS]
    colours[coloured] = _COLOURS[: len(coloured)]
    figure = new_figure(10, 7)
    ax: Axes = figure.subplots()
    ax.scatter(dots[:, 0], dots[:, 1], c=colours[list(answers)], s=22, alpha=0.75, linewidths=0)
    # Of stars in one place the one that is answered most is on top.
    order = ranked[::-1]
    style: dict[str, Any] = dict(marker='*', edgecolors='black', zorder=3)
    ax.scatter(stars[order, 0], stars[order, 1], c=colours[order], s=150, **style)
    ax.set(xticks=[], yticks=[])
    how = 'colour = the answer given, not the truth'
    ax.set_title(f'{len(videos)} videos and {len(labels)} classes (t-SNE): {how}', fontsize=10)

    def mark(label: str, marker: str = 'o', colour: str = '0.5', **more: Any) -> Line2D:
        return Line2D([], [], marker=marker, ls='', color=colour, label=label, **more)

    marks = [mark('video'), mark('class name', '*', mec='black', ms=11)]
    marks += [
        mark(f'{_short(labels[index])} ({counts[index]})', colour=colours[index])
        for index in coloured
        if counts[index]
    ]
    if not set(answers) <= set(coloured):
        marks.append(mark('other answers', colour='0.7'))
    figure.legend(handles=marks, loc='outside right upper', frameon=False, fontsize=8)
    _write_names(ax, [labels[index] for index in ranked], stars[ranked], stars)
    save(figure, path)


def _short(name: str) -> str:
    return name if len(name) <= 32 else f'{name[:30]}...'


def _write_names(ax: Axes, names: Sequence[str], places: np.ndarray, stars: np.ndarray) -> None:
    """Write each name beside its star, where it hides no other name, no star and is not cut.

    Those that find no place, the last ones first, are left out: the legend has them by colour.
    """
    figure: Any = ax.figure
    figure.draw_without_rendering()  # the layout settles where things are
    inside = ax.get_window_extent()
    taken = [Bbox.from_bounds(x - 9, y - 9, 18, 18) for x, y in ax.transData.transform(stars)]
    for name, place in zip(names, places, strict=True):
        text = ax.annotate(name, place, (8, 0), textcoords='offset points', fontsize=8)
        for offset, ha, va in _BESIDE:
            text.xyann = offset
            text.set(ha=ha, va=va)
            box = text.get_window_extent()
            whole = inside.fully_containsx(box.x0) and inside.fully_containsx(box.x1)
            whole = whole and inside.fully_containsy(box.y0) and inside.fully_containsy(box.y1)
            if whole and not box.count_overlaps(taken):
                taken.append(box)
                break
        else:
            text.remove()


# Offsets in points of a name from its star, and which part of the name is there.
_BESIDE = [
    ((8, 0), 'left', 'center'), ((-8, 0), 'right', 'center'), ((0, 8), 'center', 'bottom'),
    ((0, -8), 'center', 'top'), ((6, 7), 'left', 'bottom'), ((-6, 7), 'right', 'bottom'),
    ((6, -7), 'left', 'top'), ((-6, -7), 'right', 'top'),
    ((8, 14), 'left', 'center'), ((8, -14), 'left', 'center'),
    ((-8, 14), 'right', 'center'), ((-8, -14), 'right', 'center'),
]  # fmt: skip


# Without a grey, which is for all other answers.
_COLOURS = [
    *(f'C{n}' for n in range(10) if n != 7), '#3d405b', '#8dd3c7', '#bebada', '#fb8072', '#80b1d3',
    '#fdb462', '#b3de69', '#fccde5', '#005f73', '#bc80bd', '#6a994e',
]  # fmt: skip


def new_figure(width: float, height: float, layout: Any = 'constrained') -> Figure:
    """Return an empty figure, in inches; without pyplot: no display, no state between threads."""
    figure = Figure(figsize=(min(width, 36), min(height, 36)), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of its suffix, whole or not at all, with nothing cut off."""
    check_target(path, PICTURES)
    kind = Path(path).suffix[1:].lower()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format=kind, bbox_inches='tight', pad_inches=0.1)
