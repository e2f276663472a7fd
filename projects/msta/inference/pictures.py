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

from .results import write_whole

_WRITTEN_LABELS = 40


def draw_attention(frames: np.ndarray, attention: np.ndarray, path: str | Path) -> None:
    """Frames ``(T, H, W, 3)``, uint8, over the same with attention ``(T, h, w)`` as heat.

    The heat of all frames has one scale: a frame that is not looked at stays dark.
    """
    count = len(frames)
    figure = _figure(2 * count, 4.2)
    top, bottom = np.atleast_2d(figure.subplots(2, count, squeeze=False))
    for index, (frame, weights) in enumerate(zip(frames, attention, strict=True)):
        top[index].imshow(frame)
        bottom[index].imshow(heat(frame, weights / attention.max()))
        top[index].set_title(f'{weights.sum():.0%}', fontsize=9)
    for axes in (*top, *bottom):
        axes.set_axis_off()
    save(figure, path)


def heat(frame: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A frame ``(H, W, 3)`` darkened and coloured by weights ``(h, w)`` between 0 and 1."""
    size = (frame.shape[1], frame.shape[0])
    large = cv2.resize(weights.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    levels = (np.clip(large, 0, 1) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    return cv2.addWeighted(frame, 0.4, np.ascontiguousarray(colours), 0.6, 0)


def draw_similarities(
    matrices: Mapping[str, np.ndarray], labels: Sequence[str], path: str | Path
) -> None:
    """Cosines between classes ``(K, K)`` side by side; the diagonal is off the scale."""
    off = ~np.eye(len(labels), dtype=bool)
    values = np.concatenate([m[off] for m in matrices.values()]) if off.any() else np.array([1.0])
    figure = _figure(5.5 * len(matrices), 5.2)
    axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
        image = ax.imshow(matrix, vmin=values.min(), vmax=values.max(), cmap='viridis')
        mean = matrix[off].mean() if off.any() else 1.0
        ax.set_title(f'{title}: mean {mean:.3f}')
        if len(labels) <= _WRITTEN_LABELS:
            ax.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
            ax.set_yticks(range(len(labels)), labels, fontsize=7)
    figure.colorbar(image, ax=list(axes), shrink=0.8, label='cosine')
    save(figure, path)


def draw_norms(norms: Mapping[str, Mapping[str, float]], path: str | Path) -> None:
    """Norm of the trained weights by block (outer keys) and part (inner keys), as bars."""
    blocks = list(norms)
    parts = sorted({part for of_block in norms.values() for part in of_block})
    figure = _figure(max(6, 0.8 * len(blocks) + 3), 4)
    ax: Axes = figure.subplots()
    width = 0.8 / len(parts)
    for index, part in enumerate(parts):
        places = np.arange(len(blocks)) + (index - (len(parts) - 1) / 2) * width
        ax.bar(places, [norms[block].get(part, 0.0) for block in blocks], width, label=part)
    ax.set_xticks(range(len(blocks)), blocks)
    ax.set(xlabel='block', ylabel='root mean square of the weights')
    ax.legend(frameon=False)
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
    its answer.
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
    places = flat.fit_transform(points)
    figure = _figure(9, 7)
    ax: Axes = figure.subplots()
    colours: dict[str, Any] = dict(cmap='hsv' if len(labels) > 20 else 'tab20', vmin=0)
    colours['vmax'] = max(len(labels), 20)
    dots, stars = places[: len(videos)], places[len(videos) :]
    ax.scatter(dots[:, 0], dots[:, 1], c=list(answers), s=18, alpha=0.7, linewidths=0, **colours)
    ax.scatter(
        stars[:, 0],
        stars[:, 1],
        c=range(len(labels)),
        s=140,
        marker='*',
        edgecolors='black',
        **colours,
    )
    if len(labels) <= _WRITTEN_LABELS:
        for name, (x, y) in zip(labels, stars, strict=True):
            ax.annotate(name, (x, y), xytext=(5, 5), textcoords='offset points', fontsize=8)
    ax.set(xticks=[], yticks=[], title=f'{len(videos)} videos, {len(labels)} classes')
    save(figure, path)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(min(width, 30), height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of its suffix, whole or not at all."""
    kind = Path(path).suffix.lstrip('.').lower()
    if kind not in figure.canvas.get_supported_filetypes():
        raise ValueError(f'{path}: a picture is written as .png, .svg or .pdf')
    write_whole(path, lambda temporary: figure.savefig(temporary, dpi=120, format=kind))
