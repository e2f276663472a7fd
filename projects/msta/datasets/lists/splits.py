"""Subsets of videos and of classes: seeded, and independent of the order of the list. No torch."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from ...spelling import few
from .annotations import AnnotationError, Video
from .sources import normalise

# Kinetics-400 classes that Kinetics-600 renamed; with them, 220 classes of K600 are new.
KINETICS600_RENAMED = {
    'baby waking up': 'waking up',
    'balloon blowing': 'inflating balloons',
    'changing wheel': 'changing wheel (not on bike)',
    'cooking sausages': 'cooking sausages (not on barbeque)',
    'dying hair': 'dyeing hair',
    'garbage collecting': 'person collecting garbage',
    'hugging': 'hugging (not baby)',
    'making bed': 'making the bed',
    'opening bottle': 'opening bottle (not wine)',
    'throwing ball': 'throwing ball (not baseball or American football)',
    'tying tie': 'tying necktie',
}


def class_counts(videos: Iterable[Video]) -> Counter[int]:
    """Videos of each class index."""
    return Counter(video.label for video in videos)


def few_shot(
    videos: Sequence[Video],
    shots: int,
    seed: int,
    allow_fewer: bool = False,
    names: Sequence[str] | None = None,
) -> list[Video]:
    """`shots` videos of each class, drawn with `seed`; fewer shots are a subset of more.

    ``names`` are those of the classes, for messages.

    Raises:
        AnnotationError: a class has fewer videos, unless `allow_fewer`.
    """
    if shots < 1:
        raise ValueError(f'shots must be 1 or more, got {shots}')
    by_class = _by_class(sorted(set(videos), key=lambda video: video.path))
    short = {label: len(found) for label, found in by_class.items() if len(found) < shots}
    if short and not allow_fewer:
        label, count = min(short.items(), key=lambda item: (item[1], item[0]))
        raise AnnotationError(
            f'{len(short)} classes have fewer than {shots} videos ({_class(label, names)} has '
            f'{count}); ask for fewer shots, or allow classes to have fewer (--allow-fewer)'
        )
    chosen = []
    for label, found in by_class.items():
        # One generator per class: its draw does not depend on the other classes.
        rng = random.Random(f'{seed}/{label}')
        chosen += rng.sample(found, len(found))[:shots]
    return chosen


def _by_class(videos: Iterable[Video]) -> dict[int, list[Video]]:
    """Return the videos of each class, in the order of the classes."""
    by_class: dict[int, list[Video]] = defaultdict(list)
    for video in videos:
        by_class[video.label].append(video)
    return dict(sorted(by_class.items()))


def _class(label: int, names: Sequence[str] | None) -> str:
    return f'class {label}' if names is None else f'class {label}, {names[label]!r},'


def restrict(videos: Iterable[Video], classes: Sequence[int]) -> list[Video]:
    """Return the videos of `classes`, relabelled by the place in it."""
    place = {label: position for position, label in enumerate(classes)}
    return [Video(video.path, place[video.label]) for video in videos if video.label in place]


def base_and_novel(videos: Iterable[Video], num_classes: int) -> tuple[list[int], list[int]]:
    """Halve the classes: base, the more frequent (one more if odd), and novel; in index order.

    Equally frequent classes go by their index.
    """
    counts = class_counts(videos)
    order = sorted(range(num_classes), key=lambda label: (-counts[label], label))
    half = (num_classes + 1) // 2
    return sorted(order[:half]), sorted(order[half:])


def unseen_classes(labels: Sequence[str], seen: Sequence[str]) -> list[int]:
    """Indices of the classes of `labels` that are not in `seen`, K600's new names considered."""
    known = {normalise(name) for name in seen}
    known |= {normalise(new) for old, new in KINETICS600_RENAMED.items() if normalise(old) in known}
    return [index for index, name in enumerate(labels) if normalise(name) not in known]


def class_sample(classes: Sequence[int], size: int, seed: int) -> list[int]:
    """`size` of the classes, drawn with `seed`, in index order."""
    if not 1 <= size <= len(classes):
        raise AnnotationError(f'cannot draw {size} classes of {len(classes)}')
    return sorted(random.Random(f'classes/{seed}').sample(sorted(classes), size))


def train_val(
    videos: Sequence[Video], fraction: float, seed: int, names: Sequence[str] | None = None
) -> tuple[list[Video], list[Video]]:
    """Split each class by a seeded draw: `fraction` of its videos (one at least) to validation.

    ``names`` are those of the classes, for messages.

    Raises:
        AnnotationError: classes have a single video.
    """
    if not 0 < fraction < 1:
        raise ValueError(f'the validation fraction must lie between 0 and 1, got {fraction}')
    by_class = _by_class(set(videos))
    single = [label for label, found in by_class.items() if len(found) < 2]
    if single:
        raise AnnotationError(
            f'{len(single)} classes have a single video, which cannot be both in training and in '
            f'validation ({few([_class(label, names).rstrip(",") for label in single])}): add '
            'videos, or leave the classes out'
        )
    train, val = [], []
    for found in by_class.values():
        held_out = min(len(found) - 1, max(1, round(fraction * len(found))))
        shuffled = few_shot(found, len(found), seed)
        val += sorted(shuffled[:held_out], key=lambda video: video.path)
        train += sorted(shuffled[held_out:], key=lambda video: video.path)
    return train, val
