"""Draws the Shapes world: an action, a domain and a random generator give one video's frames."""

import cv2
import numpy as np

from .classes import SHAPES, Action
from .scenes import Domain, Scene, Track, sample_scene

_SUBPIXEL_BITS = 4


def unit_outlines(shape: str) -> list[np.ndarray]:
    """Outlines of a shape of radius 1 about the origin, each (N, 2), upright at angle 0.

    A second outline inside the first is a hole.
    """
    if shape == 'ring':
        turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        circle = np.stack([np.cos(turns), np.sin(turns)], 1)
        return [circle, circle * 0.5]
    if shape == 'square':
        return [np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.82]
    if shape == 'triangle':
        return [np.array([[0, -1.3], [0.85, 0.85], [-0.85, 0.85]])]
    if shape == 'cross':
        right = [(0.25, -1.2), (0.25, -0.5), (0.95, -0.5), (0.95, 0), (0.25, 0), (0.25, 1.2)]
        return [np.array(right + [(-x, y) for x, y in reversed(right)])]
    return [np.array([[-0.33, -1.25], [0.33, -1.25], [0.33, 1.25], [-0.33, 1.25]])]


_OUTLINES = {shape: unit_outlines(shape) for shape in SHAPES}


def draw_scene(scene: Scene, domain: Domain, side: int, rng: np.random.Generator) -> np.ndarray:
    """Frames of a scene, uint8 (T, side, side, 3), RGB."""
    num_frames = len(scene.tracks[0].x)
    pad = int(np.ceil(4 * domain.shake * side))
    canvas = _background(domain, side + 2 * pad, rng)
    shakes = np.clip(
        rng.normal(0, domain.shake, (num_frames, 2)), -4 * domain.shake, 4 * domain.shake
    )
    if not domain.palette:
        _recolour(scene, domain, canvas, rng)
    light, haze = (
        low if low == high else rng.uniform(low, high) for low, high in (domain.light, domain.haze)
    )
    gains = light * (1 + rng.normal(0, domain.flicker, num_frames))
    sigma = rng.uniform(*domain.noise)
    frames = np.empty((num_frames, side, side, 3), np.uint8)
    grain = rng.standard_normal((num_frames, side, side, 1), np.float32) * np.float32(sigma)
    for t in range(num_frames):
        dx, dy = np.round(shakes[t] * side).astype(int)
        frame = canvas[pad - dy : pad - dy + side, pad - dx : pad - dx + side].copy()
        for track in scene.tracks:
            _paint(frame, track, t, (dx, dy))
        frames[t] = np.clip(frame * np.float32(gains[t]) + np.float32(haze) + grain[t], 0, 255)
    return frames


def _background(domain: Domain, side: int, rng: np.random.Generator) -> np.ndarray:
    base = rng.uniform(*domain.backdrop, 3)
    canvas = np.broadcast_to(base.astype(np.float32), (side, side, 3)).copy()
    if domain.texture[1] > 0:
        cells = int(rng.integers(4, 14))
        coarse = rng.standard_normal((cells, cells, 3)).astype(np.float32)
        texture = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        canvas += texture * np.float32(rng.uniform(*domain.texture))
    for _ in range(int(rng.integers(0, domain.distractors + 1))):
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        values = rng.uniform((0, 0, 0.04, 0), (1, 1, 0.07, 2 * np.pi))
        x, y, radius, angle, alpha = (np.array([value]) for value in (*values, 0.8))
        spot = Track(shape, x, y, radius, angle, alpha, tuple(rng.uniform(30, 225, 3)))
        _paint(canvas, spot, 0, (0, 0))
    return np.clip(canvas, 0, 255)


def _recolour(scene: Scene, domain: Domain, canvas: np.ndarray, rng: np.random.Generator) -> None:
    """Give every shape a free colour that stands out from the background's mean."""
    mean = canvas.mean((0, 1))
    for track in scene.tracks:
        candidates = rng.uniform(10, 245, (8, 3))
        distance = np.abs(candidates - mean).mean(1)
        good = np.flatnonzero(distance >= domain.contrast)
        pick = good[0] if len(good) else int(distance.argmax())
        track.colour = tuple(candidates[pick])
    scene.colour = None


def _paint(frame: np.ndarray, track: Track, t: int, shift: tuple[int, int]) -> None:
    """Blend one shape into a float frame in place, antialiased."""
    if track.alpha[t] <= 0:
        return
    side = frame.shape[0]
    cos, sin = np.cos(track.angle[t]), np.sin(track.angle[t])
    turn = np.array([[cos, sin], [-sin, cos]]) * track.radius[t]
    centre = np.array([track.x[t], track.y[t]])
    fixed = []
    for outline in _OUTLINES[track.shape]:
        corners = (outline @ turn + centre) * side + shift - 0.5
        fixed.append(np.round(corners * (1 << _SUBPIXEL_BITS)).astype(np.int32))
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, fixed, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    weight = mask[..., None].astype(np.float32) * np.float32(track.alpha[t] / 255)
    frame += weight * (np.asarray(track.colour, np.float32) - frame)


def render(
    action: Action, domain: Domain, rng: np.random.Generator, num_frames: int = 16, side: int = 64
) -> tuple[np.ndarray, Scene]:
    """Frames of one random video of an action, and what it shows.

    Returns:
        Frames, uint8 (num_frames, side, side, 3), RGB, and the scene drawn.
    """
    times = np.linspace(0, 1, num_frames)
    scene = sample_scene(action, domain, times, rng)
    return draw_scene(scene, domain, side, rng), scene
