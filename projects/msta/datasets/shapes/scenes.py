"""Lays out a video of the Shapes world: an action and a domain give the tracks of its shapes.

Positions and sizes are fractions of the frame's side, angles radians (positive turns clockwise on
the screen, where y points down), times fractions of the video. All random numbers of a video are
drawn from the generator it is given, so the same generator state gives the same pixels.
"""

from dataclasses import dataclass, field

import numpy as np

from .classes import PALETTE, Action

Range = tuple[float, float]
_PAIR_SIZE = 0.62  # of each of two shapes, compared with one alone


@dataclass(frozen=True)
class Domain:
    """How the videos of one domain look. The defaults are the plain domain.

    Attributes:
        radius: Half the size of a moving shape.
        travel: Distance covered by a linear motion.
        turn: Angle covered by a spin, from or to the upright, in degrees.
        orbit: Angle covered by an orbit, over the top of the other shape, in degrees.
        palette: Whether shapes take the named colours (else any colour that stands out).
        backdrop: Each channel of the background's mean, in grey levels.
        texture: Contrast of the background's texture, in grey levels.
        noise: Standard deviation of the pixels' noise, in grey levels.
        shake: Standard deviation of the camera's displacement per frame.
        distractors: Most small static figures on the background.
        flicker: Standard deviation of the brightness per frame, relative.
        contrast: Least difference between a shape and the background, in grey levels.
        light: Factor on what the camera sees; below 1 the scene is dim.
        haze: Grey levels that hang over the whole scene.
    """

    radius: Range = (0.15, 0.23)
    travel: Range = (0.5, 0.68)
    turn: Range = (70, 100)
    orbit: Range = (120, 170)
    palette: bool = True
    backdrop: Range = (10, 75)
    texture: Range = (0, 5)
    noise: Range = (0, 5)
    shake: float = 0.0
    distractors: int = 0
    flicker: float = 0.0
    contrast: float = 60.0
    light: Range = (1.0, 1.0)
    haze: Range = (0.0, 0.0)


DOMAINS = {
    'plain': Domain(),
    'target': Domain(
        radius=(0.14, 0.22),
        travel=(0.42, 0.62),
        turn=(60, 90),
        orbit=(100, 150),
        palette=False,
        texture=(4, 14),
        noise=(2, 5),
        shake=0.006,
        distractors=2,
        flicker=0.03,
        contrast=45.0,
        light=(0.28, 0.45),
        haze=(5, 30),
    ),
}


@dataclass
class Track:
    """One shape over time: every array has one entry per frame.

    Attributes:
        x: Centre, from the left edge.
        y: Centre, from the top edge.
        radius: Half the size.
        angle: Turn about the centre.
        alpha: Opacity, 0 to 1.
    """

    shape: str
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    alpha: np.ndarray
    colour: tuple[float, ...] = (255, 255, 255)


@dataclass
class Scene:
    """What a video shows, in words: the attributes a caption may name."""

    action: Action
    colour: str | None = None
    size: str = 'small'
    tracks: list[Track] = field(default_factory=list)


def sample_scene(
    action: Action, domain: Domain, times: np.ndarray, rng: np.random.Generator
) -> Scene:
    """Draw what varies between videos of one action and lay out its tracks.

    Args:
        action: What happens.
        domain: Ranges to draw from.
        times: Moments of the frames, (T,), between 0 and 1.
        rng: Source of all random numbers.
    """
    radius = rng.uniform(*domain.radius)
    middle = sum(domain.radius) / 2
    subject = _Path(action, domain, np.asarray(times, float), radius, rng)
    scene = Scene(action, size='large' if radius > middle else 'small', tracks=subject.tracks())
    colours = list(PALETTE)
    first, second = rng.permutation(len(colours))[:2]
    for track, index in zip(scene.tracks, (first, second), strict=False):
        track.colour = PALETTE[colours[index]]
    scene.colour = colours[first]
    return scene


class _Path:
    """Turns an action into tracks."""

    def __init__(
        self,
        action: Action,
        domain: Domain,
        times: np.ndarray,
        radius: float,
        rng: np.random.Generator,
    ):
        self.action, self.domain, self.times, self.rng = action, domain, times, rng
        self.radius = radius
        self.backwards = action.motion in (
            'left', 'up', 'counter', 'shrink', 'disappear', 'leave', 'orbit_counter',
        )  # fmt: skip
        self.progress = 1 - times if self.backwards else times

    def tracks(self) -> list[Track]:
        motion = self.action.motion
        if motion in ('approach', 'leave'):
            return self._approach()
        if motion in ('orbit_clockwise', 'orbit_counter'):
            return self._orbit()
        track = self._still(self.action.shape, self.radius)
        getattr(self, f'_{_DRAWN_AS.get(motion, motion)}')(track)
        return [track]

    def _still(self, shape: str, radius: float) -> Track:
        ones = np.ones_like(self.times)
        margin = min(radius * 1.25, 0.45)
        x, y = self.rng.uniform(margin, 1 - margin, 2)
        angle = self.rng.uniform(-0.2, 0.2)
        return Track(shape, x * ones, y * ones, radius * ones, angle * ones, ones.copy())

    def _line(self) -> np.ndarray:
        """Positions along an axis, from low to high as progress goes."""
        distance = min(self.rng.uniform(*self.domain.travel), 1 - 1.6 * self.radius)
        low = self.radius * 0.8
        start = self.rng.uniform(low, max(low, 1 - low - distance))
        return start + distance * self.progress

    def _horizontal(self, track: Track) -> None:
        track.x = self._line()

    def _vertical(self, track: Track) -> None:
        track.y = self._line()

    def _spin(self, track: Track) -> None:
        turn = np.deg2rad(self.rng.uniform(*self.domain.turn))
        track.angle = track.angle + turn * self.progress

    def _scale(self, track: Track) -> None:
        factor = self.rng.uniform(2.0, 3.0)
        large = self.radius * 1.3
        track.radius = large / factor * factor**self.progress
        track.x, track.y = (np.clip(v, large, 1 - large) for v in (track.x, track.y))

    def _fade(self, track: Track) -> None:
        delay = self.rng.uniform(0, 0.25)
        track.alpha = np.clip((self.progress - delay) / (0.95 - delay), 0, 1)

    def _bounce(self, track: Track) -> None:
        height = min(self.rng.uniform(*self.domain.travel), 1 - 1.8 * self.radius)
        floor = 1 - self.radius * 0.9 - self.rng.uniform(0, 0.08)
        cycles = self.rng.uniform(1.4, 2.1)
        phase = self.rng.uniform(0, 1)
        track.y = floor - height * np.abs(np.sin(np.pi * (cycles * self.times + phase)))

    def _swing(self, track: Track) -> None:
        reach = min(self.rng.uniform(*self.domain.travel), 1 - 1.8 * self.radius) / 2
        cycles = self.rng.uniform(1.2, 1.8)
        swing = np.sin(2 * np.pi * (cycles * self.times + self.rng.uniform(0, 1)))
        track.x = (
            np.clip(track.x, reach + self.radius * 0.8, 1 - reach - self.radius * 0.8)
            + reach * swing
        )
        track.angle = track.angle - 0.5 * swing

    def _blink(self, track: Track) -> None:
        cycles = self.rng.uniform(1.6, 2.4)
        phase = self.rng.uniform(0, 1)
        track.alpha = ((cycles * self.times + phase) % 1 < 0.5).astype(float)

    def _pair(self, reach: float) -> tuple[Track, Track]:
        """The moving shape and, in the middle of its path, the other one."""
        size = self.radius * _PAIR_SIZE
        mover = self._still(self.action.shape, size)
        other = self._still(str(self.action.other), size)
        low = min(reach + size, 0.5)
        other.x, other.y = (np.clip(v, low, 1 - low) for v in (other.x, other.y))
        return mover, other

    def _approach(self) -> list[Track]:
        size = self.radius * _PAIR_SIZE
        gap = size * 2.0
        distance = self.rng.uniform(*self.domain.travel) * 0.8
        mover, other = self._pair(0.0)
        heading = self.rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(heading), np.sin(heading)])
        reach = gap + distance * (1 - self.progress)
        # The pair is centred, so that the whole path stays in the frame.
        centre = np.clip(self.rng.uniform(0.3, 0.7, 2), 0.42, 0.58)
        half = direction * (gap + distance) / 2
        other.x, other.y = (np.full_like(self.times, v) for v in centre - half)
        mover.x = other.x + direction[0] * reach
        mover.y = other.y + direction[1] * reach
        return [other, mover]

    def _orbit(self) -> list[Track]:
        size = self.radius * _PAIR_SIZE
        distance = size * 2 + self.rng.uniform(0.02, 0.08)
        mover, other = self._pair(distance)
        turn = np.deg2rad(self.rng.uniform(*self.domain.orbit))
        # Both directions pass the same places, so that only the order of frames tells them apart.
        angle = -np.pi / 2 + turn * (self.progress - 0.5) + self.rng.uniform(-0.3, 0.3)
        mover.x = other.x + distance * np.cos(angle)
        mover.y = other.y + distance * np.sin(angle)
        return [other, mover]


_DRAWN_AS = {
    'left': 'horizontal', 'right': 'horizontal', 'up': 'vertical', 'down': 'vertical',
    'clockwise': 'spin', 'counter': 'spin', 'grow': 'scale', 'shrink': 'scale',
    'appear': 'fade', 'disappear': 'fade',
}  # fmt: skip
