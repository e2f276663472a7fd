"""Which clips are trained on and which are held out: seeded, stratified, whole groups. No torch."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .collect import Clip, groups_of
from .state import listed


@dataclass(slots=True)
class Split:
    """Two lists of clips without a common group, and what is worth saying about them."""

    train: list[Clip]
    test: list[Clip]
    remarks: list[str] = field(default_factory=list)


def split_clips(
    clips: Sequence[Clip],
    names: Sequence[str],
    fraction: float = 0.25,
    seed: int = 0,
    kept: Mapping[str, str] | None = None,
) -> Split:
    """Hold out about ``fraction`` of each class's clips, whole groups at a time.

    A class whose clips are all of one group (or a single clip) is trained on and not tested. The
    draw depends on seed and groups, not on the order of the clips.

    Args:
        clips: what there is.
        names: the class names, for what is said.
        fraction: the share held out, between 0 and 1.
        seed: of the draw.
        kept: path -> ``'train'`` or ``'test'`` of clips that an earlier split placed: they stay.

    Raises:
        ValueError: a group that was placed on both sides, or nothing to train on.
    """
    sides = _fixed_sides(clips, kept or {})
    wanted = Counter[int]()
    per_class = Counter(label for clip in clips for label in clip.labels)
    for label, count in per_class.items():
        wanted[label] = max(1, round(fraction * count)) if count > 1 else 0
    held, trained = Counter[int](), Counter[int]()
    groups = groups_of(clips)
    for group, members in groups.items():
        if group in sides:
            side = held if sides[group] == 'test' else trained
            side.update(label for clip in members for label in clip.labels)
    free = sorted(group for group in groups if group not in sides)
    random.Random(f'split/{seed}').shuffle(free)
    # Rare classes choose first: what common ones need is found anyway.
    free.sort(key=lambda group: min(per_class[k] for clip in groups[group] for k in clip.labels))
    left = Counter(k for group in free for clip in groups[group] for k in clip.labels)
    for group in free:
        size = Counter(k for clip in groups[group] for k in clip.labels)
        left -= size
        useful = any(held[k] < wanted[k] for k in size)
        # A class keeps at least one clip to train on, and is not held out far beyond its share.
        allowed = all(trained[k] + left[k] > 0 for k in size) and all(
            held[k] + size[k] <= max(wanted[k], 1) + size[k] // 2 for k in size
        )
        if useful and allowed:
            sides[group] = 'test'
            held += size
        else:
            sides[group] = 'train'
            trained += size
    # Recordings longer than a class's share: its shortest is held out, the others are trained on.
    for label in sorted(k for k in wanted if wanted[k] and not held[k]):
        for group in sorted(free, key=lambda group: len(groups[group])):
            size = Counter(k for clip in groups[group] for k in clip.labels)
            if label in size and all(trained[k] > size[k] for k in size):
                sides[group] = 'test'
                trained -= size
                held += size
                break
    train = [clip for clip in clips if sides[clip.group] == 'train']
    test = [clip for clip in clips if sides[clip.group] == 'test']
    if not train:
        raise ValueError('every clip is held out: there is nothing to train on')
    return Split(train, test, _remarks(names, per_class, trained, held))


def _fixed_sides(clips: Sequence[Clip], kept: Mapping[str, str]) -> dict[str, str]:
    """Group -> side, where the user or an earlier split chose it."""
    sides: dict[str, str] = {}
    for clip in clips:
        side = clip.split or kept.get(clip.path, '')
        if not side:
            continue
        if sides.setdefault(clip.group, side) != side:
            raise ValueError(
                f'clips of the group {clip.group!r} were placed on both sides of the split (such '
                f'as {clip.path}): what was cut from one recording must stay on one side. Correct '
                'the column split, or give another --group'
            )
    return sides


def _remarks(
    names: Sequence[str], counts: Mapping[int, int], trained: Counter, held: Counter
) -> list[str]:
    sides = [(name, trained[k], held[k]) for k, name in enumerate(names)]
    what = 'trained on and not tested, since the clips are too few or of one recording'
    remarks = listed(what, [n for n, train, test in sides if train and not test], len(names))
    untrained = [n for n, train, test in sides if test and not train]
    remarks += listed('tested and not trained on', untrained, len(names))
    what = 'tested on fewer than 5 clips, which says little about each'
    remarks += listed(what, [n for n, _, test in sides if 0 < test < 5], len(names))
    present = [count for count in counts.values() if count]
    if max(present) > 5 * min(present):
        remarks.append(f'classes have between {min(present)} and {max(present)} clips')
    return remarks
