"""The vocabulary of the Shapes world: action classes, captions and descriptions, in words only.

An action is a composition: a motion, of a shape, often towards or around another shape. Classes
come in pairs that only the order of frames tells apart (playing a video of one backwards gives the
other), plus a few that look alike both ways. Base and novel classes share every word, in other
combinations.
"""

from dataclasses import dataclass

SHAPES = ('square', 'triangle', 'ring', 'cross', 'bar')
PALETTE = {
    'red': (225, 45, 45),
    'green': (50, 190, 70),
    'blue': (60, 90, 235),
    'yellow': (240, 220, 50),
    'purple': (165, 60, 200),
    'orange': (245, 145, 35),
    'cyan': (60, 210, 220),
    'white': (245, 245, 245),
}
SIZES = ('small', 'large')
SPINNING = ('triangle', 'cross', 'bar')  # a turn of the others is hard or impossible to see


@dataclass(frozen=True)
class Motion:
    """One motion in words.

    Attributes:
        phrase: What follows the moving shape's name; ``{other}`` stands for the second shape's.
        reverse: Key of the motion seen when the frames run backwards: its own if it looks alike.
        look: Phrases of what single frames show, for spatial descriptions.
        steps: What happens first, later and last, for temporal descriptions.
    """

    phrase: str
    reverse: str
    look: tuple[str, str]
    steps: tuple[str, str]

    @property
    def has_other(self) -> bool:
        """Whether a second shape takes part."""
        return '{other}' in self.phrase


MOTIONS = {
    'left': Motion(
        'moving left',
        'right',
        ('{shape} on a horizontal path', '{shape} between the left and the right edge'),
        ('{shape} starts on the right', '{shape} ends on the left'),
    ),
    'right': Motion(
        'moving right',
        'left',
        ('{shape} on a horizontal path', '{shape} between the left and the right edge'),
        ('{shape} starts on the left', '{shape} ends on the right'),
    ),
    'up': Motion(
        'moving up',
        'down',
        ('{shape} on a vertical path', '{shape} between the top and the bottom edge'),
        ('{shape} starts at the bottom', '{shape} ends at the top'),
    ),
    'down': Motion(
        'moving down',
        'up',
        ('{shape} on a vertical path', '{shape} between the top and the bottom edge'),
        ('{shape} starts at the top', '{shape} ends at the bottom'),
    ),
    'clockwise': Motion(
        'spinning clockwise',
        'counter',
        ('{shape} at a tilt', '{shape} turned about its middle'),
        ('{shape} is upright at first', '{shape} tilts to the right'),
    ),
    'counter': Motion(
        'spinning counterclockwise',
        'clockwise',
        ('{shape} at a tilt', '{shape} turned about its middle'),
        ('{shape} is tilted at first', '{shape} becomes upright'),
    ),
    'grow': Motion(
        'growing',
        'shrink',
        ('{shape} that changes its size', '{shape} both small and large'),
        ('{shape} is small at first', '{shape} becomes large'),
    ),
    'shrink': Motion(
        'shrinking',
        'grow',
        ('{shape} that changes its size', '{shape} both small and large'),
        ('{shape} is large at first', '{shape} becomes small'),
    ),
    'appear': Motion(
        'appearing',
        'disappear',
        ('{shape} that is faint', '{shape} half seen'),
        ('{shape} is invisible at first', '{shape} becomes visible'),
    ),
    'disappear': Motion(
        'disappearing',
        'appear',
        ('{shape} that is faint', '{shape} half seen'),
        ('{shape} is visible at first', '{shape} becomes invisible'),
    ),
    'approach': Motion(
        'approaching {other}',
        'leave',
        ('{shape} and {other}', '{shape} at a distance from {other}'),
        ('{shape} is far from {other}', '{shape} comes near {other}'),
    ),
    'leave': Motion(
        'leaving {other}',
        'approach',
        ('{shape} and {other}', '{shape} at a distance from {other}'),
        ('{shape} is near {other}', '{shape} gets far from {other}'),
    ),
    'orbit_clockwise': Motion(
        'orbiting {other} clockwise',
        'orbit_counter',
        ('{shape} and {other}', '{shape} close to {other}'),
        ('{shape} starts left of {other}', '{shape} passes over {other} to the right'),
    ),
    'orbit_counter': Motion(
        'orbiting {other} counterclockwise',
        'orbit_clockwise',
        ('{shape} and {other}', '{shape} close to {other}'),
        ('{shape} starts right of {other}', '{shape} passes over {other} to the left'),
    ),
    'bounce': Motion(
        'bouncing',
        'bounce',
        ('{shape} above the bottom', '{shape} at the bottom'),
        ('{shape} falls to the bottom', '{shape} jumps up again'),
    ),
    'swing': Motion(
        'swinging',
        'swing',
        ('{shape} at the side', '{shape} hanging to one side'),
        ('{shape} goes to one side', '{shape} comes back to the other side'),
    ),
    'blink': Motion(
        'blinking',
        'blink',
        ('{shape} in full view', '{shape} that is absent'),
        ('{shape} vanishes at once', '{shape} is back at once'),
    ),
}


@dataclass(frozen=True)
class Action:
    """A composition: which motion, of what, with what else (None for motions of one shape)."""

    motion: str
    shape: str
    other: str | None = None

    @property
    def name(self) -> str:
        """The class name, e.g. 'a ring orbiting a square clockwise'."""
        return self.sentence(f'a {self.shape}')

    @property
    def reversed(self) -> 'Action':
        """The action seen when the frames run backwards; equal to this one if it looks alike."""
        return Action(MOTIONS[self.motion].reverse, self.shape, self.other)

    def sentence(self, subject: str) -> str:
        """Return the action with another wording of who moves, e.g. 'a small red ring'."""
        return f'{subject} {MOTIONS[self.motion].phrase.format(other=f"a {self.other}")}'


def all_actions() -> list[Action]:
    """Return every composition that can be drawn, in a fixed order."""
    actions: list[Action] = []
    for key, motion in MOTIONS.items():
        for shape in SHAPES:
            if key in ('clockwise', 'counter') and shape not in SPINNING:
                continue
            others: list[str | None] = [None]
            if motion.has_other:
                others = [other for other in SHAPES if other != shape]
            actions.extend(Action(key, shape, other) for other in others)
    return actions


# (motion, shape, other): with the reversed action beside each, these are half the classes.
_BASE = (
    ('left', 'ring', None),
    ('left', 'cross', None),
    ('up', 'square', None),
    ('up', 'bar', None),
    ('clockwise', 'cross', None),
    ('grow', 'square', None),
    ('grow', 'bar', None),
    ('appear', 'triangle', None),
    ('approach', 'bar', 'ring'),
    ('orbit_clockwise', 'ring', 'square'),
    ('bounce', 'cross', None),
    ('bounce', 'ring', None),
    ('swing', 'triangle', None),
    ('blink', 'bar', None),
)
_NOVEL = (
    ('left', 'square', None),
    ('left', 'triangle', None),
    ('up', 'ring', None),
    ('up', 'cross', None),
    ('clockwise', 'triangle', None),
    ('clockwise', 'bar', None),
    ('grow', 'triangle', None),
    ('appear', 'cross', None),
    ('approach', 'ring', 'triangle'),
    ('orbit_clockwise', 'triangle', 'ring'),
    ('bounce', 'square', None),
    ('swing', 'bar', None),
    ('swing', 'ring', None),
    ('blink', 'triangle', None),
)


def _with_reversed(rows: tuple[tuple[str, str, str | None], ...]) -> tuple[Action, ...]:
    actions = [Action(*row) for row in rows]
    return tuple(twin for action in actions for twin in dict.fromkeys((action, action.reversed)))


BASE_ACTIONS = _with_reversed(_BASE)
NOVEL_ACTIONS = _with_reversed(_NOVEL)
ACTIONS = BASE_ACTIONS + NOVEL_ACTIONS


def spatial_descriptions(action: Action) -> list[str]:
    """Two sentences on the static look, in the published form 'A video about <phrase>.'"""
    return [f'A video about {_fill(text, action)}.' for text in MOTIONS[action.motion].look]


def temporal_descriptions(action: Action) -> list[str]:
    """Two sentences on the steps, in the published form '... involves the following step: ...'"""
    return [
        f'A video of {action.name} generally involves the following step: '
        f'{_fill(text, action)}, which is a sub-step.'
        for text in MOTIONS[action.motion].steps
    ]


def _fill(text: str, action: Action) -> str:
    return text.format(shape=f'a {action.shape}', other=f'a {action.other}')
