"""Captions of plain Shapes videos, richer than class names, and which caption fits which video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .classes import (
    PALETTE,
    SIZES,
    Action,
    all_actions,
    spatial_descriptions,
    temporal_descriptions,
)
from .scenes import Scene

_ACTIONS = {action: number for number, action in enumerate(all_actions())}
_LOOKS = {
    text: number
    for number, text in enumerate(
        dict.fromkeys(text for action in _ACTIONS for text in spatial_descriptions(action))
    )
}
_COLOURS = {colour: number for number, colour in enumerate(PALETTE)}
_SIZES = {size: number for number, size in enumerate(SIZES)}
_UNSAID = -1

# Numbers of the action, of its first and second spatial sentence, of the colour and of the size.
Facts = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Caption:
    """A sentence, and what it states.

    Attributes:
        text: The sentence.
        stated: What it says, in the columns of :func:`scene_facts`; -1 for what it leaves open.
    """

    text: str
    stated: Facts


def plain_caption(action: Action) -> Caption:
    """Return the sentence that names the action and nothing else."""
    return Caption(f'a video of {action.name}.', _states(action=_ACTIONS[action]))


def sample_caption(scene: Scene, rng: np.random.Generator, rich: float = 0.4) -> Caption:
    """Return a random caption of a scene.

    Args:
        scene: What the video shows.
        rng: Source of all random numbers.
        rich: Share of captions with adjectives (size and colour). A sixth of the others are
            sentences in the form of the descriptions, the rest plain.
    """
    kind, which = rng.random(), int(rng.integers(4))
    action = scene.action
    if kind < rich:
        return _with_adjectives(scene, rng)
    if kind < rich + (1 - rich) / 6:
        if which >= 2:
            return Caption(temporal_descriptions(action)[which - 2], plain_caption(action).stated)
        text = spatial_descriptions(action)[which]
        look = _LOOKS[text]
        return Caption(text, _states(look_1=look) if which == 0 else _states(look_2=look))
    return plain_caption(action)


def _with_adjectives(scene: Scene, rng: np.random.Generator) -> Caption:
    words, colour, size = [], _UNSAID, _UNSAID
    if rng.random() < 0.5:
        words.append(scene.size)
        size = _SIZES[scene.size]
    if scene.colour is not None and rng.random() < 0.7:
        words.append(scene.colour)
        colour = _COLOURS[scene.colour]
    subject = ' '.join(['a', *words, scene.action.shape])
    text = f'a video of {scene.action.sentence(subject)}.'
    return Caption(text, _states(action=_ACTIONS[scene.action], colour=colour, size=size))


def _states(
    action: int = _UNSAID,
    look_1: int = _UNSAID,
    look_2: int = _UNSAID,
    colour: int = _UNSAID,
    size: int = _UNSAID,
) -> Facts:
    return action, look_1, look_2, colour, size


def scene_facts(scene: Scene) -> Facts:
    """What is true of a scene, in the numbers that captions state."""
    look_1, look_2 = (_LOOKS[text] for text in spatial_descriptions(scene.action))
    colour = _COLOURS[scene.colour] if scene.colour is not None else _UNSAID
    return _ACTIONS[scene.action], look_1, look_2, colour, _SIZES[scene.size]


def fits(facts: np.ndarray, captions: Sequence[Caption]) -> np.ndarray:
    """Which captions are true of which scenes.

    Args:
        facts: Rows of :func:`scene_facts`, (B, 5).
        captions: N captions.

    Returns:
        Booleans, (B, N): what the caption states holds for the scene.
    """
    stated = np.array([caption.stated for caption in captions])
    return ((stated == _UNSAID) | (stated == facts[:, None])).all(-1)
