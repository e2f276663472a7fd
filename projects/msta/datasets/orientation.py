"""Pictures as a player shows them: turned and mirrored by the display matrix of their file."""

from typing import Any, NamedTuple

import av
import numpy as np


class Turn(NamedTuple):
    """First rows and columns change places, then their order is reversed."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False


def turned_by(frame: av.VideoFrame) -> Turn:
    """What the display matrix of a frame asks for, in quarter turns and mirror images.

    The matrix takes a point (x, y) to (a x + c y, b x + d y) (ISO/IEC 14496-12, 6.2.2). Other
    angles are not applied, as FFmpeg's players and tools do not.
    """
    data: Any = frame.side_data.get('DISPLAYMATRIX')
    if data is None:
        return Turn()
    a, b, _, c, d = np.frombuffer(data, np.int32, 5).tolist()
    if a and d and not b and not c:
        return Turn(False, d < 0, a < 0)
    if b and c and not a and not d:
        return Turn(True, b < 0, c < 0)
    return Turn()


def turn(picture: np.ndarray, by: Turn) -> np.ndarray:
    """Return a picture (H, W, 3), turned; a view of it."""
    if by.transpose:
        picture = picture.swapaxes(0, 1)
    return picture[:: -1 if by.flip_rows else 1, :: -1 if by.flip_columns else 1]
