"""Transforms on real frames and files; decoding under a time limit."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmaction.datasets.transforms import ColorJitter
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose
from mmengine.runner import set_random_seed

from projects.msta.datasets.readers import BlankReader
from projects.msta.datasets.transforms import ClipColorJitter, ClipGrayscale, MSTAVideoInit
from tests.kinds import decode_in_order, encode
from tests.videos import ODD_FILES, moving_square, write_mp4

ROOT = Path(__file__).resolve().parents[2]


def recipe(size: int = 224) -> Compose:
    """The training views of the published recipe."""
    steps = [
        dict(type='MSTAVideoInit'),
        dict(type='UniformSample', clip_len=8),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(-1, 256)),
        dict(
            type='MultiScaleCrop',
            input_size=size,
            scales=(1, 0.875, 0.75, 0.66),
            random_crop=False,
            max_wh_scale_gap=1,
        ),
        dict(type='Resize', scale=(size, size), keep_ratio=False),
        dict(type='Flip', flip_ratio=0.5),
        dict(type='ClipColorJitter', p=0.8),
        dict(type='ClipGrayscale', p=0.2),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    return Compose([TRANSFORMS.build(step) for step in steps])


@pytest.mark.parametrize(
    'kind', ['rotated', 'tiny', 'odd size', 'one frame', 'fewer frames than asked']
)
def test_published_recipe_on_odd_sizes(kind, tmp_path):
    name, write = ODD_FILES[kind]
    path = write(tmp_path / name)
    pipeline = recipe()
    for seed in range(6):
        set_random_seed(seed)
        packed = pipeline(dict(filename=str(path), label=1, start_index=0, modality='RGB'))
        assert packed['inputs'].shape == (1, 3, 8, 224, 224)


def test_recipe_repeats_with_its_seed(tmp_path):
    path = str(write_mp4(tmp_path / 'good.mp4'))
    pipeline = recipe(64)

    def sample(seed):
        set_random_seed(seed)
        return pipeline(dict(filename=path, label=1, start_index=0, modality='RGB'))['inputs']

    assert sample(3).equal(sample(3))
    assert not sample(3).equal(sample(4))


def test_name_without_extension_is_mp4(tmp_path):
    write_mp4(tmp_path / 'good.mp4')
    results = MSTAVideoInit().transform(dict(filename=str(tmp_path / 'good')))
    assert results['total_frames'] == 24


def test_the_earlier_name_opens_videos(tmp_path):
    step = TRANSFORMS.build(dict(type='MSTADecordInit', limit_sec=20.0))
    results = step(dict(filename=str(write_mp4(tmp_path / 'good.mp4'))))
    assert results['total_frames'] == 24 and results['avg_fps'] == pytest.approx(10)


def test_a_folder_of_images_trains_as_the_video_that_it_was(tmp_path):
    """The same frames give the same clip, from a file or from PNG images."""
    path = encode(tmp_path / 'a.mp4', num_frames=16)
    folder = tmp_path / 'frames'
    folder.mkdir()
    for number, frame in enumerate(decode_in_order(path)):
        cv2.imwrite(str(folder / f'{number:05}.png'), frame[..., ::-1])
    pipeline = recipe(64)
    packed = []
    for source in (path, folder):
        set_random_seed(0)
        packed.append(
            pipeline(dict(filename=str(source), label=1, start_index=0, modality='RGB'))['inputs']
        )
    assert packed[0].equal(packed[1])


def test_placeholder_reads_nothing():
    results = MSTAVideoInit().transform(dict(filename='/none.mp4', placeholder=True))
    assert isinstance(results['video_reader'], BlankReader)
    assert results['video_reader'].get_batch([0, 1]).asnumpy().sum() == 0


def clip(num_frames: int = 4, repeats: int = 1) -> list:
    return [frame.copy() for frame in moving_square(num_frames)] * repeats


def test_grayscale_is_one_draw_a_clip():
    set_random_seed(0)
    gray = 0
    for _ in range(400):
        imgs = ClipGrayscale(0.2).transform(dict(imgs=clip()))['imgs']
        flat = [bool((img == img[..., :1]).all()) for img in imgs]
        assert all(flat) or not any(flat)
        gray += flat[0]
    assert 55 < gray < 105
    assert imgs[0].dtype == np.uint8 and imgs[0].shape == (48, 64, 3)


def test_grayscale_draws_for_each_of_several_clips():
    set_random_seed(0)
    mixed = 0
    for _ in range(50):
        results = ClipGrayscale(0.5).transform(dict(imgs=clip(4, 2), num_clips=2, clip_len=4))
        flat = [bool((img == img[..., :1]).all()) for img in results['imgs']]
        assert len(set(flat[:4])) == 1 and len(set(flat[4:])) == 1
        mixed += flat[0] != flat[4]
    assert 10 < mixed < 40


def test_grayscale_weights_and_source_left_alone():
    img = np.zeros((2, 2, 3), np.uint8)
    img[..., 0], img[..., 1], img[..., 2] = 100, 200, 50
    source = dict(imgs=[img])
    out = ClipGrayscale(1.0).transform(dict(source))['imgs'][0]
    assert (out == round(0.299 * 100 + 0.587 * 200 + 0.114 * 50)).all()
    assert img[0, 0].tolist() == [100, 200, 50]


def test_color_jitter_is_one_draw_a_clip():
    set_random_seed(1)
    changed = 0
    for _ in range(300):
        frames = [clip(1)[0]] * 3
        imgs = ClipColorJitter(0.8).transform(dict(imgs=list(frames)))['imgs']
        assert np.array_equal(imgs[0], imgs[1]) and np.array_equal(imgs[0], imgs[2])
        assert imgs[0].dtype == np.uint8
        changed += not np.array_equal(imgs[0], frames[0])
    assert 210 < changed < 270


def test_color_jitter_may_be_drawn_for_each_frame_with_p_for_the_clip():
    set_random_seed(0)
    frames = [np.full((4, 4, 3), (200, 90, 30), np.uint8) for _ in range(8)]
    changed = []
    for _ in range(40):
        imgs = ClipColorJitter(0.5, per_frame=True).transform(dict(imgs=list(frames)))['imgs']
        kinds = {tuple(img[0, 0].tolist()) for img in imgs}
        assert len(kinds) == 8 or kinds == {(200, 90, 30)}
        changed.append(len(kinds) == 8)
    assert 10 < sum(changed) < 30


class Upstream(ColorJitter):
    """MMAction2's arithmetic, but for its hue, which overflows on numpy 2."""

    @staticmethod
    def adjust_hue(img, factor):
        img = np.clip(img, 0, 255).astype(np.uint8)
        return ClipColorJitter.adjust_hue(img, factor).astype(np.float32)


@pytest.mark.parametrize('seed', range(24))
def test_color_jitter_equals_upstream_to_the_last_bit(seed):
    frames = list(np.random.default_rng(seed).integers(0, 256, (2, 37, 53, 3), dtype=np.uint8))
    jitter, upstream = ClipColorJitter(1.0), Upstream(0.4, 0.4, 0.2, 0.1)
    set_random_seed(seed)
    ours = jitter.transform(dict(imgs=list(frames)))['imgs']
    set_random_seed(seed)
    random.random()  # whether the clip is changed
    upstream.fn_idx = random.sample(range(4), 4)
    theirs = upstream.transform(dict(imgs=list(frames)))['imgs']
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize('hue', [-0.5, -0.1, 0.1, 0.5])
def test_hue_turns_the_colour_circle(hue):
    img = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    before = cv2.cvtColor(img, cv2.COLOR_RGB2HSV)
    after = ClipColorJitter.adjust_hue(img, hue)
    pure = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    turned = cv2.cvtColor(ClipColorJitter.adjust_hue(pure, hue).astype(np.uint8), cv2.COLOR_RGB2HSV)
    assert turned[0, 0, 0] == round(hue * 180) % 180
    values = cv2.cvtColor(after.astype(np.uint8), cv2.COLOR_RGB2HSV)[..., 2]
    assert np.abs(values.astype(int) - before[..., 2]).max() <= 1


@pytest.mark.parametrize(
    'build',
    [
        lambda: ClipGrayscale(1.2),
        lambda: ClipColorJitter(p=-0.1),
        lambda: MSTAVideoInit(limit_sec=0),
    ],
)
def test_bad_arguments(build):
    with pytest.raises(ValueError, match='must'):
        build()
