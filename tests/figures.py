"""What a reader would complain about in a matplotlib figure."""

from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text


def covered_texts(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts of which one lies over the other."""
    figure.draw_without_rendering()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    boxes = np.array([t.get_window_extent().extents for t in texts])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    pairs = np.argwhere(np.triu((high - low > 1).all(-1), 1))
    return [(texts[i].get_text(), texts[j].get_text()) for i, j in pairs]


def is_cut(path: Path) -> bool:
    """Whether something is drawn on the outermost pixels of a picture."""
    image = cv2.imread(str(path))
    return any(np.ptp(edge) for edge in (image[0], image[-1], image[:, 0], image[:, -1]))
