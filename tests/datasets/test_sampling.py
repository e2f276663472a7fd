"""Clips as the code that MSTA descends from samples them."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS


def sample(total_frames=100, seed=0, **options) -> dict:
    np.random.seed(seed)  # noqa: NPY002 - the state that SampleFrames draws from
    transform = TRANSFORMS.build(dict(type='SegmentSampleFrames', clip_len=8, **options))
    return transform(dict(total_frames=total_frames, start_index=0))


def test_one_frame_clips_become_one_clip_of_the_same_frames():
    plain = dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8)
    for test_mode in (False, True):
        found = sample(test_mode=test_mode)
        np.random.seed(0)  # noqa: NPY002
        upstream = TRANSFORMS.build({**plain, 'test_mode': test_mode})
        expected = upstream(dict(total_frames=100, start_index=0))
        assert found['frame_inds'].tolist() == expected['frame_inds'].tolist()
        assert (found['clip_len'], found['num_clips']) == (8, 1)
        assert (expected['clip_len'], expected['num_clips']) == (1, 8)


@pytest.mark.parametrize('total_frames', [8, 17, 30, 100, 301])
def test_frames_are_near_those_of_the_configs(total_frames):
    ours = TRANSFORMS.build(dict(type='UniformSample', clip_len=8, test_mode=True))
    theirs = sample(total_frames, test_mode=True)['frame_inds']
    away = ours(dict(total_frames=total_frames, start_index=0))['frame_inds'] - theirs
    assert np.abs(away).max() <= 2


def test_several_views_are_random_samples_each_one_frame_of_each_segment():
    found = sample(num_clips=4)
    views = found['frame_inds'].reshape(4, 8)
    assert (found['clip_len'], found['num_clips']) == (8, 4)
    assert (views // 12 == np.arange(8)).all()
    assert len(np.unique(views, axis=0)) == 4
    assert (sample(num_clips=4, seed=1)['frame_inds'] != found['frame_inds']).any()


def test_equal_views_are_refused():
    with pytest.raises(ValueError, match='would give the same frames 3 times'):
        sample(num_clips=3, test_mode=True)
    with pytest.raises(ValueError, match='num_clips=0'):
        sample(num_clips=0)
