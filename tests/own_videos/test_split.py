"""Clips are held out by whole recordings, each class its share, and what cannot be is said."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.msta.own_videos.collect import Clip
from projects.msta.own_videos.split import split_clips


def clips_of(*counts, group_size=1):
    return [
        Clip(f'{label}/{number}.mp4', (label,), f'{label}-{number // group_size}')
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def test_each_class_gives_its_share():
    split = split_clips(clips_of(40, 8, 100), ['a', 'b', 'c'], 0.25)
    held = Counter(clip.label for clip in split.test)
    assert held == {0: 10, 1: 2, 2: 25}
    assert len(split.train) + len(split.test) == 148


def test_the_draw_depends_on_the_seed_not_on_the_order():
    clips = clips_of(20, 20)
    shuffled = random.Random(1).sample(clips, len(clips))
    first, second = (split_clips(c, ['a', 'b'], seed=3) for c in (clips, shuffled))
    assert set(first.test) == set(second.test)
    assert set(split_clips(clips, ['a', 'b'], seed=4).test) != set(first.test)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=6),
    st.integers(1, 7),
    st.integers(0, 5),
)
def test_no_recording_is_on_both_sides_and_no_class_is_lost(counts, group_size, seed):
    clips = clips_of(*counts, group_size=group_size)
    split = split_clips(clips, [str(k) for k in range(len(counts))], 0.25, seed)
    assert not {c.group for c in split.train} & {c.group for c in split.test}
    assert sorted(split.train + split.test, key=lambda c: c.path) == sorted(
        clips, key=lambda c: c.path
    )
    trained = Counter(clip.label for clip in split.train)
    assert set(trained) == set(range(len(counts)))  # every class is trained on
    held = Counter(clip.label for clip in split.test)
    for label, count in enumerate(counts):
        if count > group_size:  # more than one recording: it is tested as well
            assert held[label]


def test_of_two_long_recordings_one_is_held_out():
    split = split_clips(clips_of(1, 10, group_size=5), ['a', 'b'])
    assert Counter(clip.label for clip in split.test) == {1: 5}


def test_a_single_clip_is_trained_on_and_said_not_to_be_tested():
    split = split_clips(clips_of(1, 10), ['only one', 'many'])
    assert all(clip.label == 1 for clip in split.test)
    assert any('trained on and not tested' in r and 'only one' in r for r in split.remarks)


def test_sides_that_were_chosen_stay():
    clips = [Clip('a.mp4', (0,), 'a', 'test'), Clip('b.mp4', (0,), 'b', 'train')]
    clips += clips_of(0, 8)
    split = split_clips(clips, ['x', 'y'])
    assert {'a.mp4'} == {c.path for c in split.test if c.label == 0}
    torn = [*clips, Clip('a2.mp4', (0,), 'a', 'train')]
    with pytest.raises(ValueError, match='both sides of the split'):
        split_clips(torn, ['x', 'y'])


def test_unbalanced_classes_are_remarked():
    remarks = split_clips(clips_of(4, 200), ['rare', 'common']).remarks
    assert any('between 4 and 200 clips' in remark for remark in remarks)
