"""The Shapes world on disk: mp4 files, class lists, annotation lists and descriptions.

Below the output folder::

    labels.txt labels_base.txt labels_novel.txt        class names, one a line
    descriptions.json descriptions_base.json ...       spatial and temporal sentences
    target_train.txt target_test.txt plain_test.txt    annotation lists over all classes
    target_train_4shot_seed1.txt ...                   K shots a class, nested in K
    base_train_16shot_seed1.txt ... base_test.txt      the base half, labels 0..23
    novel_test.txt plain_base_test.txt ...             the novel half, labels 0..23 of its own
    videos/<domain>/<split>/<class>/<number>.mp4
    recipe.json                                        what all of it was made from

Paths in the lists are relative to the folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ...descriptions import Descriptions, write_descriptions
from ...files import replacing, write_json
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
from .render import DOMAINS, render

SHOTS = (2, 4, 8, 16)
SHOT_SEEDS = (1, 2, 3)
SPLITS = (('target', 'train'), ('target', 'test'), ('plain', 'test'))
_ACTION_NUMBERS = {action: number for number, action in enumerate(all_actions())}


def world_version() -> str:
    """A hash of the code that draws and names: a folder made by other code is made anew."""
    digest = hashlib.blake2b(digest_size=8)
    for name in ('classes.py', 'render.py', 'folder.py'):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


class ShapesError(ValueError):
    """The Shapes world cannot be made as asked."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is in a Shapes folder.

    Attributes:
        seed: Of every random choice.
        train_per_class: Videos a class of the target domain to draw shots from.
        test_per_class: Videos a class of each test split.
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
        """Videos a class of a split ('train' or 'test')."""
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


def write_video(path: Path, frames: np.ndarray, fps: float = 8.0) -> None:
    """Write RGB frames (T, H, W, 3) as MPEG-4, under a temporary name first.

    Raises:
        ShapesError: If OpenCV cannot write there.
    """
    size = (frames.shape[2], frames.shape[1])
    with replacing(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*'mp4v'), fps, size)
        try:
            if not writer.isOpened():
                raise ShapesError(f'OpenCV cannot write {path}: is the folder writable?')
            for frame in frames:
                writer.write(np.ascontiguousarray(frame[..., ::-1]))
        finally:
            writer.release()


def clips_of(recipe: Recipe) -> Iterator[Clip]:
    """Every video of a recipe."""
    for domain, split in SPLITS:
        for action in ACTIONS:
            for number in range(recipe.count(split)):
                yield Clip(action, domain, split, number)


def make_shapes(
    out: str | Path,
    recipe: Recipe | None = None,
    workers: int = 2,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make, complete or leave as it is the Shapes world in a folder.

    Videos already there are kept if the folder was begun with the same recipe, so an interrupted
    run continues.

    Args:
        out: The folder, created if absent.
        recipe: What to make; the default one if None.
        workers: Processes that render.
        force: Render everything anew.
        progress: Called with (videos there, videos in all).

    Returns:
        How many videos were rendered; 0 if all were there.

    Raises:
        ShapesError: For a folder that holds something else.
    """
    out = Path(out).expanduser().resolve()
    recipe = recipe or Recipe()
    stamp = out / 'recipe.json'
    same = _read_recipe(out, stamp) == asdict(recipe)
    clips = list(clips_of(recipe))
    missing = [
        clip for clip in clips if force or not same or not _is_file_with_bytes(out / clip.path)
    ]
    if not same:
        # What another recipe left must be gone before the stamp can vouch for what is there.
        shutil.rmtree(out / 'videos', ignore_errors=True)
        for name in text_names(Recipe(train_per_class=max(SHOTS))):
            (out / name).unlink(missing_ok=True)
        write_json(stamp, asdict(recipe), indent=1)
    if force or not all((out / name).is_file() for name in text_names(recipe)):
        _write_texts(out, recipe)
    _render_all(out, recipe, missing, len(clips), workers, progress)
    return len(missing)


def _is_file_with_bytes(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _read_recipe(out: Path, stamp: Path) -> dict | None:
    if stamp.is_file():
        try:
            return json.loads(stamp.read_text(encoding='utf-8'))
        except (ValueError, OSError):
            return None
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ShapesError(
            f'{out} exists and was not made by this tool (it has no recipe.json); nothing was '
            'written. Name a new or empty folder'
        )
    return None


def _render_all(
    out: Path,
    recipe: Recipe,
    missing: Sequence[Clip],
    total: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    done = total - len(missing)
    report = progress or (lambda _done, _total: None)
    report(done, total)
    chunks = [missing[start : start + 32] for start in range(0, len(missing), 32)]
    jobs = ((out, recipe, chunk) for chunk in chunks)
    if workers <= 1 or len(chunks) <= 1:
        for job in jobs:
            done += _render_chunk(job)
            report(done, total)
        return
    with drawing_processes(workers) as pool:
        for count in pool.map(_render_chunk, jobs):
            done += count
            report(done, total)


@contextmanager
def drawing_processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes in which OpenCV works in one thread.

    Its threads end before the processes fork: they do not live on in a fork, and one that then
    changes their number waits for them for ever.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ProcessPoolExecutor(workers) as pool:
            yield pool
    finally:
        cv2.setNumThreads(threads)


def _render_chunk(job: tuple[Path, Recipe, Sequence[Clip]]) -> int:
    out, recipe, clips = job
    for clip in clips:
        write_video(out / clip.path, clip.frames(recipe))
    return len(clips)


# --------------------------------------------------------------------------- lists


def _halves() -> dict[str, tuple[Action, ...]]:
    return {'': ACTIONS, '_base': BASE_ACTIONS, '_novel': NOVEL_ACTIONS}


def annotation_lists(recipe: Recipe) -> dict[str, list[tuple[str, int]]]:
    """Every annotation list of a recipe: file name -> (video path, label) rows."""
    lists: dict[str, list[tuple[str, int]]] = {}
    for half, actions in _halves().items():
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
    """One order of a class's training videos a seed: its first K are the K shots."""
    rng = np.random.default_rng([recipe.seed, seed, _ACTION_NUMBERS[action]])
    return [int(number) for number in rng.permutation(recipe.train_per_class)]


def describe(actions: Sequence[Action]) -> Descriptions:
    """Descriptions of classes, written from their composition."""
    return Descriptions(
        names=[action.name for action in actions],
        spatial=[spatial_descriptions(action) for action in actions],
        temporal=[temporal_descriptions(action) for action in actions],
        meta={'source': 'written from the composition of each class by datasets/shapes_classes.py'},
    )


def text_names(recipe: Recipe) -> list[str]:
    """Names of all text files of a folder."""
    texts = [f'{kind}{half}' for half in _halves() for kind in ('labels', 'descriptions')]
    return [f'{text}.{"txt" if text.startswith("labels") else "json"}' for text in texts] + list(
        annotation_lists(recipe)
    )


def _write_texts(out: Path, recipe: Recipe) -> None:
    for half, actions in _halves().items():
        write_lines(out / f'labels{half}.txt', [action.name for action in actions])
        write_descriptions(out / f'descriptions{half}.json', describe(actions))
    for name, rows in annotation_lists(recipe).items():
        write_lines(out / name, [f'{path} {label}' for path, label in rows])
