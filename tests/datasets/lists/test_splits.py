"""Subsets of videos and classes: balanced, nested, seeded, independent of order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.msta.datasets.lists.annotations import AnnotationError, Video
from projects.msta.datasets.lists.splits import (
    KINETICS600_RENAMED,
    base_and_novel,
    class_counts,
    class_sample,
    few_shot,
    restrict,
    train_val,
    unseen_classes,
)
from projects.msta.labels import read_labels


def make(counts: dict[int, int]) -> list[Video]:
    return [Video(f'c{label}/v{i}.mp4', label) for label, n in counts.items() for i in range(n)]


@given(st.integers(0, 5), st.permutations(range(40)))
def test_few_shot_is_balanced_nested_and_blind_to_order(seed, order):
    videos = make({0: 20, 1: 20})
    shuffled = [videos[index] for index in order]
    drawn = {shots: few_shot(shuffled, shots, seed) for shots in (2, 4, 8, 16)}
    for shots, subset in drawn.items():
        assert class_counts(subset) == {0: shots, 1: shots}
        assert subset == few_shot(videos, shots, seed)
    assert set(drawn[2]) < set(drawn[4]) < set(drawn[8]) < set(drawn[16]) < set(videos)


def test_few_shot_depends_on_the_seed_and_not_on_other_classes():
    videos = make({0: 30, 1: 30})
    assert few_shot(videos, 4, 1) != few_shot(videos, 4, 2)
    assert few_shot(videos, 4, 1)[:4] == few_shot(make({0: 30, 7: 5}), 4, 1)[:4]


def test_few_shot_names_the_class_that_is_short():
    videos = make({0: 5, 1: 2})
    with pytest.raises(AnnotationError, match=r'1 classes .* \(class 1 has 2\)'):
        few_shot(videos, 4, 0)
    assert class_counts(few_shot(videos, 4, 0, allow_fewer=True)) == {0: 4, 1: 2}
    with pytest.raises(ValueError, match='shots must be 1 or more'):
        few_shot(videos, 0, 0)


@pytest.mark.parametrize(('classes', 'base', 'novel'), [(51, 26, 25), (101, 51, 50), (174, 87, 87)])
def test_halves_have_the_papers_sizes(classes, base, novel):
    rng = random.Random(0)
    videos = make({label: rng.randint(5, 30) for label in range(classes)})
    more, fewer = base_and_novel(videos, classes)
    counts = class_counts(videos)
    assert (len(more), len(fewer)) == (base, novel)
    assert sorted(more + fewer) == list(range(classes))
    assert min(counts[label] for label in more) >= max(counts[label] for label in fewer)


def test_restrict_relabels_by_place():
    videos = make({0: 1, 1: 1, 2: 2})
    assert restrict(videos, [2, 0]) == [
        Video('c0/v0.mp4', 1),
        Video('c2/v0.mp4', 0),
        Video('c2/v1.mp4', 0),
    ]


def test_kinetics600_has_220_classes_outside_kinetics400():
    k400, k600 = read_labels('kinetics400'), read_labels('kinetics600')
    new = unseen_classes(k600, k400)
    names = {k600[index] for index in new}
    assert len(new) == 220
    assert not names & set(KINETICS600_RENAMED.values())
    assert set(KINETICS600_RENAMED) <= set(k400)
    for split in (1, 2, 3):  # the published splits are drawn from them
        assert set(read_labels(f'kinetics600_zs{split}')) <= names


def test_class_samples_differ_by_seed_and_are_sorted():
    draws = [class_sample(range(220), 160, seed) for seed in (1, 2, 3)]
    for draw in draws:
        assert len(set(draw)) == 160
        assert draw == sorted(draw)
    assert draws[0] != draws[1] != draws[2]
    assert draws[0] == class_sample(list(reversed(range(220))), 160, 1)
    with pytest.raises(AnnotationError, match='cannot draw 5 classes of 4'):
        class_sample(range(4), 5, 0)


def test_train_val_is_stratified_and_disjoint():
    videos = make({0: 10, 1: 3, 2: 2})
    train, val = train_val(videos, 0.2, seed=0)
    assert class_counts(val) == {0: 2, 1: 1, 2: 1}
    assert set(train) | set(val) == set(videos)
    assert not set(train) & set(val)
    assert train_val(list(reversed(videos)), 0.2, seed=0) == (train, val)
    assert train_val(videos, 0.2, seed=1) != (train, val)
    with pytest.raises(AnnotationError, match=r'1 classes have a single video.*class 3'):
        train_val(make({0: 4, 3: 1}), 0.2, seed=0)
    with pytest.raises(AnnotationError, match="class 1, 'juggling'"):
        train_val(make({0: 4, 1: 1}), 0.2, seed=0, names=['run', 'juggling'])
    with pytest.raises(AnnotationError, match=r"class 1, 'juggling', has 1"):
        few_shot(make({0: 4, 1: 1}), 2, seed=0, names=['run', 'juggling'])
    with pytest.raises(ValueError, match='fraction'):
        train_val(videos, 1.0, seed=0)
