"""The one reader: files that are broken, hang or crash, folders of images, other decoders."""

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from projects.msta.datasets import decoding
from projects.msta.datasets.decoding import VideoDecodeError
from projects.msta.datasets.readers import IsolatedReader
from tests.kinds import SOUND_FILES, decode_in_order, encode
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
    'truncated 90%, index first': (8, 48, 64, 3),
    'truncated 50%, avi': 'damaged',
    'truncated 50%, webm': (8, 120, 160, 3),
    'truncated 10%, ts': (8, 120, 160, 3),
    'truncated 50%, ts': (8, 120, 160, 3),
    'truncated 90%, ts': (8, 120, 160, 3),
    'damaged stream': (8, 48, 64, 3),
    'header claims more frames': 'no_frames',
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


# Those of which part is missing or damaged, with a warning.
DAMAGED = {'truncated 90%, index first', 'truncated 90%, ts', 'damaged stream'}


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
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            assert decode(path).shape == EXPECTED[kind]
        assert bool(caught) == (kind in DAMAGED)
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


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(VideoDecodeError, match='file not found'):
        IsolatedReader(str(tmp_path / 'none.mp4'))
    with pytest.raises(VideoDecodeError, match='a folder without images'):
        IsolatedReader(str(tmp_path))


def test_hung_decode_ends_in_time_and_the_next_one_works(tmp_path):
    """A named pipe that nobody writes to makes a decoder wait for ever."""
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


def test_error_survives_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(VideoDecodeError('a b.mp4', 'timeout', '3 s')))  # noqa: S301
    assert (error.path, error.reason, error.detail) == ('a b.mp4', 'timeout', '3 s')


@pytest.mark.parametrize('size', [(48, 64), (16, 24), (24, 16), (63, 47)])
def test_widths_that_rows_are_padded_for(size, tmp_path):
    width, height = size
    path = write_av(tmp_path / 'narrow.avi', width=width, height=height, codec='ffv1')
    found = IsolatedReader(str(path)).get_batch(range(24)).asnumpy()
    np.testing.assert_array_equal(found, np.stack(decode_in_order(path)))


def test_indices_in_any_order_and_more_than_once(tmp_path):
    path = encode(tmp_path / 'a.mp4')
    truth = np.stack(decode_in_order(path))
    for _ in range(2):
        found = IsolatedReader(str(path)).get_batch([30, 2, 30, 11]).asnumpy()
        np.testing.assert_array_equal(found, truth[[30, 2, 30, 11]])
    with pytest.raises(IndexError, match='of 40'):
        IsolatedReader(str(path)).get_batch([40])


def test_times_and_names_pass_between_the_processes(tmp_path):
    name, write = SOUND_FILES['variable rate']
    path = Path(str(tmp_path), b'two\nlines \xff'.decode('utf-8', 'surrogateescape'))
    write(tmp_path / name).rename(path)
    reader = IsolatedReader(str(path))
    assert reader.times.shape == (40,) and reader.times[2] == pytest.approx(0.366, abs=1e-3)
    assert reader.get_batch([0]).asnumpy().shape == (1, 48, 64, 3)


def test_a_decode_that_gets_on_may_take_longer_if_it_is_waited_for(tmp_path):
    path = str(encode(tmp_path / 'a.mp4', num_frames=300))
    process = decoding.DecodeProcess()
    slow = (
        'import time\n'
        'from projects.msta.datasets import decode_worker\n'
        'decode_worker._BEAT_SEC = 0.05\n'
        'beat = decode_worker.Worker._beat\n'
        'def slowly(self):\n'
        '    time.sleep(0.01)\n'
        '    beat(self)\n'
        'decode_worker.Worker._beat = slowly\n'
    )
    process.close()
    process = decoding.DecodeProcess(slow)
    with pytest.raises(VideoDecodeError, match='decoding hung'):
        IsolatedReader(path, 1.0, process=process)
    process = decoding.DecodeProcess(slow)
    assert len(IsolatedReader(path, 1.0, patient=True, process=process)) == 300
    process.close()


def test_large_pictures_leave_no_memory_behind(tmp_path):
    path = encode(tmp_path / 'a.mp4', 'mpeg4', size=(1920, 1088), num_frames=12)
    process = decoding.DecodeProcess()
    found = IsolatedReader(str(path), process=process).get_batch(range(12)).asnumpy()
    np.testing.assert_array_equal(found, np.stack(decode_in_order(path)))
    assert os.fstat(process._block._descriptor).st_size < 2**20
    process.close()


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_a_folder_of_images_is_a_video(suffix, tmp_path):
    frames = moving_square(12)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f'img_{number}{suffix}'), frame[..., ::-1])
    (tmp_path / 'notes.txt').write_text('no image')
    reader = IsolatedReader(str(tmp_path))
    assert len(reader) == 12 and reader.get_avg_fps() == 25
    found = reader.get_batch([11, 2, 10]).asnumpy()  # 10 and 11 come after 2 and 9
    expected = frames[[11, 2, 10]]
    if suffix == '.png':
        np.testing.assert_array_equal(found, expected)
    assert np.abs(found - expected.astype(int)).mean() < 6


def test_a_broken_image_is_named(tmp_path):
    frames = moving_square(3, 320, 240)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f'{number}.jpg'), frame[..., ::-1])
    cut = tmp_path / '1.jpg'
    cut.write_bytes(cut.read_bytes()[:1500])
    reader = IsolatedReader(str(tmp_path))
    assert reader.get_batch([0, 2]).asnumpy().shape == (2, 240, 320, 3)
    with pytest.raises(VideoDecodeError, match=r'1\.jpg') as caught:
        reader.get_batch([0, 1])
    assert caught.value.reason == 'damaged'


def test_decord_reads_as_it_did(tmp_path):
    import decord

    path = str(encode(tmp_path / 'a.avi', 'mpeg4', bf=2))
    indices = [3, 17, 30]
    ours = IsolatedReader(path, decoder='decord').get_batch(indices).asnumpy()
    theirs = decord.VideoReader(path, num_threads=1).get_batch(indices).asnumpy()
    np.testing.assert_array_equal(ours, theirs)
    truth = np.stack(decode_in_order(path))[indices].astype(int)
    assert (
        np.abs(ours - truth).mean()
        > 3
        > np.abs(IsolatedReader(path).get_batch(indices).asnumpy() - truth).mean()
    )
    with pytest.raises(ValueError, match='decoder'):
        IsolatedReader(path, decoder='opencv')
