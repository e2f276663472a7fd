"""What to train and how, from what there is; every choice with its reason. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SIDES = re.compile(
    r'\b(left|right|links|rechts|clockwise|anticlockwise|counterclockwise|gauche|droite)\b'
    r'|[左右]',
    re.I,
)
_BALANCED_FROM = 5.0
# In all. Of the tiny model twice as many gave held-out training clips of UCF-101 a higher loss.
_STEPS, _STEPS_SMALL = 600, 300
_MOST_EPOCHS = 60
_FEW_SHOT = 32
_CACHED_VIEWS = 8


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is: clips to train on by class, the model's size, and the machine."""

    counts: tuple[int, ...]
    names: tuple[str, ...]
    layers: int
    width: int
    described: bool
    gpu_gib: float | None
    cores: int
    videos: int | None = None  # where some count for several classes

    @property
    def clips(self) -> int:
        """Clips to train on."""
        return sum(self.counts) if self.videos is None else self.videos

    @property
    def shots(self) -> float:
        """Clips of a class in the middle."""
        present = sorted(count for count in self.counts if count)
        return present[len(present) // 2]


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting, and why it was chosen."""

    value: Any
    reason: str


_LEAST = {'dim': 1, 'batch': 1, 'epochs': 1, 'cached_views': 0}


def check_given(given: Mapping[str, Any], layers: int) -> None:
    """Refuse what no model of ``layers`` blocks can be trained with.

    Raises:
        ValueError: naming the setting.
    """
    for name, least in _LEAST.items():
        if given.get(name, least) < least:
            raise ValueError(f'{name}={given[name]} must be {least} or more')
    for rate in given.get('learning_rates', ()):
        if not 0 < rate < float('inf'):
            raise ValueError(f'learning rate {rate} must be a positive number')
    if not 0 <= given.get('smoothing', 0) < 1:
        raise ValueError(f'smoothing={given["smoothing"]} must lie in 0 to 1')
    first, last = given.get('blocks', (1, layers))
    if not 1 <= first <= last <= layers:
        raise ValueError(f'blocks {first} to {last} must lie in 1 to {layers}, in this order')


def choose(situation: Situation, given: Mapping[str, Any] | None = None) -> dict[str, Choice]:
    """Return the recipe: setting -> choice, in the order in which they are told.

    Args:
        situation: see there.
        given: what the user decided: it is taken as it is.

    Raises:
        ValueError: ``given`` names an unknown setting.
    """
    s = situation
    choices: dict[str, Choice] = {}

    def settle(name: str, value: Any, reason: str) -> Any:
        if given and given.get(name) is not None:
            value, reason = given[name], 'given'
        choices[name] = Choice(value, reason)
        return value

    few, small = s.shots < _FEW_SHOT, s.width < 512
    share = 'the upper five twelfths' if few else 'all'
    first = s.layers - max(1, round(s.layers * 5 / 12)) + 1 if few else 1
    settle(
        'blocks',
        (first, s.layers),
        f'{share} of {s.layers} blocks: {s.shots:g} per class (the median) is '
        + ("few, as in the paper's few-shot runs" if few else 'enough to adapt every depth'),
    )
    settle(
        'dim',
        128 if s.width >= 512 else max(16, s.width // 2),
        "the paper's bottleneck" if s.width >= 512 else f'half of the width of {s.width}',
    )
    settle(
        'scale',
        0.3 if small else 0.005,
        'a tower as narrow as this needs louder adapters' if small else "the paper's best",
    )
    batch = settle(
        'batch',
        max(1, min(32, s.clips // 8)),
        f'{s.clips} clips: at least eight steps per epoch' if s.clips < 256 else "the paper's 32",
    )
    if batch > s.clips:
        batch = s.clips
        choices['batch'] = Choice(batch, f'no more than {s.clips} clips to train on')
    steps, wanted = max(1, s.clips // batch), _STEPS_SMALL if small else _STEPS
    settle(
        'epochs',
        max(5, min(_MOST_EPOCHS, round(wanted / steps))),
        f'{steps} steps each, about {wanted} in all',
    )
    cached = s.gpu_gib is None or few
    settle(
        'cached_views',
        _CACHED_VIEWS if cached else 0,
        f'{_CACHED_VIEWS} views of each clip are read and taken through the frozen part once: '
        + ('there is no GPU' if s.gpu_gib is None else 'the clips are few')
        if cached
        else 'new views in every epoch: there is a GPU, and clips are many',
    )
    rates: tuple[float, ...] = (0.01, 0.03, 0.06) if small else (0.0005, 0.001, 0.004)
    slow = not small and s.gpu_gib is None
    settle(
        'learning_rates',
        rates[1:2] if slow else rates,
        'one, since trying three would take three times as long, and there is no GPU'
        if slow
        else 'tried on a third of the training clips, held out; never on the test clips',
    )
    settle(
        'smoothing',
        0.1 if small else 0.0,
        'of labels; without it so small a tower is too sure of itself'
        if small
        else 'labels are not smoothed, as in the paper',
    )
    settle(
        'amp',
        s.gpu_gib is not None,
        'mixed precision on a GPU' if s.gpu_gib is not None else 'float32 without a GPU',
    )
    sided = [name for name in s.names if _SIDES.search(name)]
    settle(
        'flip',
        not sided,
        f'no horizontal flip: {sided[0]!r} would become its mirror image'
        if sided
        else 'flipped half of the time: no class name tells left from right',
    )
    present = [count for count in s.counts if count]
    ratio = max(present) / min(present)
    settle(
        'balanced',
        ratio > _BALANCED_FROM,
        f'the largest class has {ratio:.1f} times the clips of the smallest'
        + (': rare ones are drawn more often' if ratio > _BALANCED_FROM else ''),
    )
    settle(
        'targets',
        ('spatial', 'temporal') if s.described else ('template',),
        'held to the descriptions'
        if s.described
        else 'no descriptions: held to the frozen prompt (--describe MODEL has some written)',
    )
    unknown = set(given or {}) - set(choices)
    if unknown:
        raise ValueError(f'no setting {sorted(unknown)[0]!r}; there are {", ".join(choices)}')
    return choices


def tell(choices: dict[str, Choice]) -> list[str]:
    """Return the choices as lines: setting, value, reason."""
    width = max(len(name) for name in choices)
    return [f'{name:<{width}}  {words(c.value)}  ({c.reason})' for name, c in choices.items()]


def words(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ', '.join(f'{item:g}' if isinstance(item, float) else str(item) for item in value)
    return f'{value:g}' if isinstance(value, float) else str(value)
