"""Copies of a clip are found through re-encoding, size and brightness; other clips are not."""

import cv2
import numpy as np

from projects.msta.datasets.lists.copies import frame_hashes, near_duplicates
from tests.videos import moving_square


def hexed(frames):
    return frame_hashes(frames).tobytes().hex()


def textured(seed):
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 6, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(f, (160, 120), interpolation=cv2.INTER_CUBIC) for f in coarse])


def test_copies_are_found():
    frames = textured(0)
    smaller = np.stack([cv2.resize(f, (80, 60), interpolation=cv2.INTER_AREA) for f in frames])
    coded = np.stack(
        [cv2.imdecode(cv2.imencode('.jpg', f, [1, 40])[1], cv2.IMREAD_COLOR) for f in frames]
    )
    darker = (frames * 0.7).astype(np.uint8)
    hashes = {'train': hexed(frames)} | {
        name: hexed(copy) for name, copy in (('s', smaller), ('c', coded), ('d', darker))
    }
    assert near_duplicates(hashes, ['train'], ['s', 'c', 'd']) == [
        ('s', 'train'), ('c', 'train'), ('d', 'train'),
    ]  # fmt: skip


def test_other_clips_are_not():
    hashes = {str(seed): hexed(textured(seed)) for seed in range(12)}
    assert not near_duplicates(hashes, [str(k) for k in range(6)], [str(k) for k in range(6, 12)])
    assert not near_duplicates({'a': hexed(moving_square(8))}, [], ['a'])
