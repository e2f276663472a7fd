"""Transforms on real frames and files; decoding under a time limit."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose
from mmengine.runner import set_random_seed

from projects.msta.datasets import decoding
from projects.msta.datasets.decoding import VideoDecodeError
from projects.msta.datasets.readers import BlankReader, IsolatedReader
from projects.msta.datasets.transforms import ClipColorJitter, ClipGrayscale, MSTADecordInit
from tests.videos import ODD_FILES, moving_square, write_av, write_mp4

ROOT = Path(__file__).resolve().parents[2]

# What each kind of odd file gives: the reason of the failure, or the shape of 8 frames.
EXPECTED = {
    'empty': 'empty',
    'text': 'unreadable',
    'truncated 10%': 'unreadable',
    'truncated 50%': 'unreadable',
    'truncated 90%': 'unreadable',
    'truncated 50%, index first': 'damaged',
    'truncated 90%, index first': 'damaged',
    'truncated 50%, avi': (8, 120, 160, 3),
    'truncated 50%, webm': (8, 120, 160, 3),
    'truncated 10%, ts': 'damaged',
    'truncated 50%, ts': (8, 120, 160, 3),
    'truncated 90%, ts': (8, 120, 160, 3),
    'damaged stream': 'damaged',
    'header claims more frames': 'damaged',
    'header claims more time': (8, 48, 64, 3),
    'audio only': 'no_video',
    'one frame': (8, 48, 64, 3),
    'fewer frames than asked': (8, 48, 64, 3),
    'odd size': (8, 47, 63, 3),
    'tiny': (8, 16, 16, 3),
    '4K': (8, 2160, 3840, 3),
    'rotated': (8, 64, 48, 3),
    'variable frame rate': (8, 48, 64, 3),
    'wrong extension': (8, 48, 64, 3),
}


def decode(path) -> np.ndarray:
    reader = IsolatedReader(str(path))
    return reader.get_batch(np.linspace(0, len(reader) - 1, 8).astype(int)).asnumpy()


@pytest.mark.parametrize('kind', EXPECTED)
def test_odd_file_gives_frames_or_a_named_reason(kind, tmp_path, capfd):
    name, write = ODD_FILES[kind]
    path = write(tmp_path / name)
    capfd.readouterr()
    if isinstance(EXPECTED[kind], str):
        with pytest.raises(VideoDecodeError, match=name) as caught:
            decode(path)
        assert caught.value.reason == EXPECTED[kind]
        assert len(str(caught.value)) < 400
    else:
        assert decode(path).shape == EXPECTED[kind]
    assert capfd.readouterr() == ('', '')


def test_every_kind_of_odd_file_is_tried():
    assert set(EXPECTED) | {'no permission'} == set(ODD_FILES)


def test_no_permission(tmp_path):
    name, write = ODD_FILES['no permission']
    path = write(tmp_path / name)
    tmp_path.chmod(0o755)
    code = (
        'import os\n'
        'from projects.msta.datasets.decoding import check_file\n'
        'if os.getuid() == 0: os.setuid(65534)\n'
        f'check_file({str(path)!r})\n'
    )
    # pytest's folders are private to their owner: open the way for the other user.
    for parent in path.parents[1:4]:
        if parent.stat().st_uid == os.getuid() and parent != parent.parent and parent.name != 'tmp':
            parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert 'no permission to read' in done.stderr


def test_frames_of_a_width_that_decord_cannot_copy_are_the_right_ones(tmp_path):
    """The detour through enlarged frames gives the picture, not just its shape."""
    path = write_av(tmp_path / 'narrow.avi', width=48, height=64, codec='ffv1')
    indices = np.linspace(0, 23, 8).astype(int)
    luma = [0.299, 0.587, 0.114]
    truth = moving_square(24, 48, 64) @ luma
    frames = decode(path) @ luma
    error = np.abs(frames - truth[indices]).mean()
    assert error < 3
    assert np.abs(frames - truth[indices - 1]).mean() > 1.5 * error


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(VideoDecodeError, match='file not found'):
        IsolatedReader(str(tmp_path / 'none.mp4'))
    with pytest.raises(VideoDecodeError, match='a folder'):
        IsolatedReader(str(tmp_path))


def test_hung_decode_ends_in_time_and_the_next_one_works(tmp_path):
    """A named pipe that nobody writes to makes decord wait for ever."""
    pipe = tmp_path / 'hung.mp4'
    os.mkfifo(pipe)
    IsolatedReader(str(write_mp4(tmp_path / 'first.mp4')))
    start = time.monotonic()
    with pytest.raises(VideoDecodeError, match='decoding hung') as caught:
        IsolatedReader(str(pipe), limit_sec=0.5)
    assert caught.value.reason == 'timeout'
    assert time.monotonic() - start < 5
    assert decode(write_mp4(tmp_path / 'good.mp4')).shape == (8, 48, 64, 3)


def test_crash_of_the_decoder_is_an_error_and_the_next_one_works(tmp_path):
    path = write_mp4(tmp_path / 'good.mp4')
    reader = IsolatedReader(str(path))
    decoding.current_process()._process.kill()
    with pytest.raises(VideoDecodeError, match='SIGKILL') as caught:
        reader.get_batch([0])
    assert caught.value.reason == 'crash'
    assert decode(path).shape == (8, 48, 64, 3)


def test_two_readers_in_turn_keep_to_their_files(tmp_path):
    first = IsolatedReader(str(write_mp4(tmp_path / 'a.mp4', seed=1)))
    second = IsolatedReader(str(write_mp4(tmp_path / 'b.mp4', seed=2)))
    frames = [reader.get_batch([3, 5]).asnumpy() for reader in (first, second, first)]
    assert np.array_equal(frames[0], frames[2])
    assert not np.array_equal(frames[0], frames[1])


def test_a_fork_does_not_share_the_process(tmp_path):
    path = write_mp4(tmp_path / 'good.mp4')
    expected = decode(path)
    child = os.fork()
    if child == 0:
        same = np.array_equal(decode(path), expected)
        decoding.close_process()
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(decode(path), expected)


def test_a_message_of_decord_becomes_a_reason_or_its_own_words():
    place = '[20:07:31] /github/workspace/src/video/video_reader.cc:699: '
    error = decoding.decode_error('a.avi', place + 'Error getting frame at: 0\n')
    assert str(error) == 'a.avi: damaged or truncated stream'
    error = decoding.decode_error('a.avi', f'first line\n{place}Something new\n\n')
    assert str(error) == 'a.avi: decoding failed (Something new)'
    assert 'no message' in str(decoding.decode_error('a.avi', ''))


def test_error_survives_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(VideoDecodeError('a b.mp4', 'timeout', '3 s')))  # noqa: S301
    assert (error.path, error.reason, error.detail) == ('a b.mp4', 'timeout', '3 s')


def recipe(size: int = 224) -> Compose:
    """The training views of the published recipe."""
    steps = [
        dict(type='MSTADecordInit'),
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
    results = MSTADecordInit().transform(dict(filename=str(tmp_path / 'good')))
    assert results['total_frames'] == 24


def test_placeholder_reads_nothing():
    results = MSTADecordInit().transform(dict(filename='/none.mp4', placeholder=True))
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
        lambda: MSTADecordInit(limit_sec=0),
    ],
)
def test_bad_arguments(build):
    with pytest.raises(ValueError, match='must'):
        build()
