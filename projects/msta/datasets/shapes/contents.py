"""What is in a Shapes folder: the recipe, its videos, its lists and its descriptions. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...descriptions import Descriptions, write_descriptions
from ..lists.annotations import write_lines
from .classes import (
    ACTIONS,
    BASE_ACTIONS,
    NOVEL_ACTIONS,
    Action,
    all_actions,
    spatial_descriptions,
    temporal_descriptions,
)
from .render import render
from .scenes import DOMAINS

SHOTS = (2, 4, 8, 16)
SHOT_SEEDS = (1, 2, 3)
SPLITS = (('target', 'train'), ('target', 'test'), ('plain', 'test'))
_ACTION_NUMBERS = {action: number for number, action in enumerate(all_actions())}


def world_version() -> str:
    """Return a hash of the code that draws and names: a folder made by other code is made again."""
    digest = hashlib.blake2b(digest_size=8)
    for name in ('classes.py', 'scenes.py', 'render.py', 'contents.py'):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


class ShapesError(ValueError):
    """The Shapes world cannot be made as asked."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is in a Shapes folder.

    Attributes:
        seed: Of every random choice.
        train_per_class: Videos per class of the target domain to draw shots from.
        test_per_class: Videos per class of each test split.
        num_frames: Length of a video.
        side: Height and width of a video, in pixels.
        version: Of the code that draws and names.
    """

    seed: int = 0
    train_per_class: int = 32
    test_per_class: int = 16
    num_frames: int = 16
    side: int = 64
    version: str = field(default_factory=world_version)

    def __post_init__(self) -> None:
        for name, least in (('train_per_class', 1), ('test_per_class', 1), ('num_frames', 2)):
            if getattr(self, name) < least:
                raise ShapesError(f'{name}={getattr(self, name)} must be at least {least}')
        if self.side < 32 or self.side % 2:
            raise ShapesError(f'side={self.side} must be even and at least 32 pixels')
        if self.seed < 0:
            raise ShapesError(f'seed={self.seed} must not be negative')

    def count(self, split: str) -> int:
        """Videos per class of a split ('train' or 'test')."""
        return self.train_per_class if split == 'train' else self.test_per_class


@dataclass(frozen=True)
class Clip:
    """One video of a recipe; its pixels depend on these fields and the recipe's seed alone."""

    action: Action
    domain: str
    split: str
    number: int

    @property
    def path(self) -> str:
        """Relative to the folder; free of spaces."""
        folder = self.action.name.removeprefix('a ').replace(' ', '_')
        return f'videos/{self.domain}/{self.split}/{folder}/{self.number:04d}.mp4'

    def frames(self, recipe: Recipe) -> np.ndarray:
        """Frames, uint8 (T, side, side, 3), RGB."""
        rng = np.random.default_rng(
            [
                recipe.seed,
                list(DOMAINS).index(self.domain),
                ('train', 'test').index(self.split),
                _ACTION_NUMBERS[self.action],
                self.number,
            ]
        )
        frames, _ = render(self.action, DOMAINS[self.domain], rng, recipe.num_frames, recipe.side)
        return frames


def clips_of(recipe: Recipe) -> Iterator[Clip]:
    """Every video of a recipe."""
    for domain, split in SPLITS:
        for action in ACTIONS:
            for number in range(recipe.count(split)):
                yield Clip(action, domain, split, number)


def halves() -> dict[str, tuple[Action, ...]]:
    return {'': ACTIONS, '_base': BASE_ACTIONS, '_novel': NOVEL_ACTIONS}


def annotation_lists(recipe: Recipe) -> dict[str, list[tuple[str, int]]]:
    """Return every annotation list of a recipe: file name -> (video path, label) rows."""
    lists: dict[str, list[tuple[str, int]]] = {}
    for half, actions in halves().items():
        name = half.removeprefix('_')
        for domain, split in SPLITS:
            prefix = name or 'target'
            if domain == 'plain':
                prefix = f'plain{half}'
            lists[f'{prefix}_{split}.txt'] = _rows(
                actions, domain, split, [range(recipe.count(split))] * len(actions)
            )
        for seed in SHOT_SEEDS:
            order = [_shuffled(recipe, action, seed) for action in actions]
            for shots in SHOTS:
                if shots <= recipe.train_per_class:
                    chosen = [sorted(numbers[:shots]) for numbers in order]
                    lists[f'{name or "target"}_train_{shots}shot_seed{seed}.txt'] = _rows(
                        actions, 'target', 'train', chosen
                    )
    return lists


def _rows(
    actions: Sequence[Action], domain: str, split: str, numbers: Sequence[Sequence[int]]
) -> list[tuple[str, int]]:
    return [
        (Clip(action, domain, split, number).path, label)
        for label, action in enumerate(actions)
        for number in numbers[label]
    ]


def _shuffled(recipe: Recipe, action: Action, seed: int) -> list[int]:
    """The order of a class's training videos for a seed: its first K are the K shots."""
    rng = np.random.default_rng([recipe.seed, seed, _ACTION_NUMBERS[action]])
    return [int(number) for number in rng.permutation(recipe.train_per_class)]


def describe_actions(actions: Sequence[Action]) -> Descriptions:
    """Descriptions of classes, written from their composition."""
    return Descriptions(
        names=[action.name for action in actions],
        spatial=[spatial_descriptions(action) for action in actions],
        temporal=[temporal_descriptions(action) for action in actions],
        meta={'source': 'written from the composition of each class by datasets/shapes/classes.py'},
    )


def text_names(recipe: Recipe) -> list[str]:
    """Names of all text files of a folder."""
    texts = [f'{kind}{half}' for half in halves() for kind in ('labels', 'descriptions')]
    return [f'{text}.{"txt" if text.startswith("labels") else "json"}' for text in texts] + list(
        annotation_lists(recipe)
    )


def write_texts(out: Path, recipe: Recipe) -> None:
    for half, actions in halves().items():
        write_lines(out / f'labels{half}.txt', [action.name for action in actions])
        write_descriptions(out / f'descriptions{half}.json', describe_actions(actions))
    for name, rows in annotation_lists(recipe).items():
        write_lines(out / name, [f'{path} {label}' for path, label in rows])
