"""Clips of two lists that look the same: a test that is easier than it seems. No torch."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

# Of the 64 bits of a frame's hash: re-encoded copies differ in 0-4, other clips in 20-40.
_MOST_BITS = 6


def frame_hashes(frames: np.ndarray) -> np.ndarray:
    """Difference hashes ``(N, 8)``, uint8, of frames ``(N, H, W, 3)``, uint8 RGB.

    A bit says whether a cell of a 9x8 grey thumbnail is darker than its right neighbour: size,
    re-encoding and brightness hardly change it (Krawetz, "Kind of like that", 2013).
    """
    hashes = []
    for frame in frames:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
        hashes.append(np.packbits(small[:, 1:] > small[:, :-1]))
    return np.stack(hashes)


def near_duplicates(
    hashes: Mapping[str, str],
    train: Sequence[str],
    test: Sequence[str],
) -> list[tuple[str, str]]:
    """Pairs (held-out clip, training clip) whose frames agree in all but a few bits on average.

    Args:
        hashes: path -> :func:`frame_hashes` of as many frames of each clip, in hexadecimal.
        train: paths.
        test: paths.
    """
    train = [path for path in train if path in hashes]
    if not train:
        return []
    bits = {path: np.frombuffer(bytes.fromhex(text), np.uint8) for path, text in hashes.items()}
    ours = np.stack([bits[path] for path in train])  # (N, 8 F)
    pairs = []
    for path in test:
        if path not in hashes:
            continue
        differing = np.bitwise_count(ours ^ bits[path]).sum(-1, dtype=int) / (ours.shape[1] / 8)
        nearest = int(differing.argmin())
        if differing[nearest] <= _MOST_BITS:
            pairs.append((path, train[nearest]))
    return pairs
