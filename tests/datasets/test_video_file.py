"""Pictures by index against a decode in order, on every kind of file that can be written here."""

from pathlib import Path

import av
import numpy as np
import pytest

from projects.msta.datasets import video_file
from projects.msta.datasets.tables import Tables, UnreadableError
from projects.msta.datasets.video_file import VideoFile
from tests.kinds import SOUND_FILES, decode_in_order, encode, turned
from tests.videos import moving_square

# Files whose packets tell their pictures, so that a decode may start at a key frame.
SOUGHT = ['H.264, GOP 12', 'H.264, MKV', 'H.264, open GOP', 'HEVC', 'AV1', 'VP9', 'variable rate']


@pytest.fixture(autouse=True, scope='module')
def _errors_are_counted():
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    yield
    av.logging.set_level(before)


def read(path: Path, indices: list[int], tables: Tables | None = None) -> list[np.ndarray]:
    file = VideoFile(str(path), tables or Tables())
    found = list(file.read(indices))
    file.close()
    return found


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


def test_there_are_kinds_enough():
    assert len(SOUND_FILES) >= 60


@pytest.mark.parametrize('kind', SOUND_FILES)
def test_index_i_is_the_ith_picture_of_a_decode_in_order(kind, tmp_path):
    name, write = SOUND_FILES[kind]
    path = write(tmp_path / name)
    truth = [turned(kind, picture) for picture in decode_in_order(path)]
    count = len(truth)
    assert count > 10
    tables = Tables()
    for seed in range(3):  # the first time from what counting left, then by key frames where proven
        indices = sorted(np.random.default_rng(seed).integers(0, count, 6).tolist())
        assert same(read(path, indices, tables), [truth[i] for i in indices])
    for index in (count - 1, count // 2, 0):
        assert same(read(path, [index], tables), [truth[index]])
    assert same(read(path, list(range(count)), tables), truth)
    file = VideoFile(str(path), tables)
    assert len(file.table) == count
    assert np.all(np.diff(file.table.times) > 0) and file.table.times[0] == 0
    # One open file, forwards and backwards.
    for index in (3, 7, 4, count - 1, 0):
        assert same(list(file.read([index])), [truth[index]])
    file.close()


@pytest.mark.parametrize('kind', SOUGHT)
def test_a_long_file_is_read_without_being_decoded_whole(kind, tmp_path, monkeypatch):
    name, write = SOUND_FILES[kind]
    path = write(tmp_path / name)
    truth, times = decode_in_order(path), VideoFile(str(path), Tables()).table.times
    monkeypatch.setattr(video_file, 'WHOLE_PIXELS', 0)
    monkeypatch.setattr(VideoFile, '_prove', lambda self: pytest.fail('decoded whole'))
    assert np.allclose(VideoFile(str(path), Tables()).table.times, times)
    assert same(read(path, [0, 13, 14, 39]), [truth[i] for i in (0, 13, 14, 39)])


def test_pictures_that_are_too_large_to_keep_are_decoded_again(tmp_path, monkeypatch):
    path = encode(tmp_path / 'a.avi', 'mpeg4', bf=2)
    monkeypatch.setattr(video_file, 'KEEP_BYTES', 3000)
    truth = decode_in_order(path)
    assert same(read(path, [0, 5, 39]), [truth[i] for i in (0, 5, 39)])


def test_a_file_that_changes_is_counted_anew(tmp_path):
    path, tables = tmp_path / 'a.mp4', Tables()
    encode(path, num_frames=12)
    assert len(VideoFile(str(path), tables).table) == 12
    encode(path, num_frames=15)
    assert len(VideoFile(str(path), tables).table) == 15


def test_only_restarts_of_the_decoder_are_sought(tmp_path):
    """Open groups of pictures and gradual refresh are marked as key frames and are none here."""
    keys = {}
    for kind in ('H.264, GOP 12', 'H.264, open GOP', 'H.264, intra refresh'):
        name, write = SOUND_FILES[kind]
        keys[kind] = len(VideoFile(str(write(tmp_path / name)), Tables()).table.keys)
    assert list(keys.values()) == [4, 1, 1]


def test_times_are_those_of_time_stamps(tmp_path):
    name, write = SOUND_FILES['variable rate']
    times = VideoFile(str(write(tmp_path / name)), Tables()).table.times
    steps = np.tile([33, 333, 40, 900, 20, 33], 7)[:39] / 1000
    np.testing.assert_allclose(np.diff(times), steps, atol=1e-3)


def test_a_hidden_beginning_and_a_late_one_are_no_pictures(tmp_path):
    for kind, count in (('cut by copy, kept out of sight', 32), ('late start, MP4', 40)):
        name, write = SOUND_FILES[kind]
        table = VideoFile(str(write(tmp_path / name)), Tables()).table
        assert (len(table), table.times[0], table.damaged) == (count, 0, 0)
        assert table.fps == pytest.approx(10)


def noise(path: Path, first: int, last: int, start: float = 0.0) -> Path:
    """Overwrite the packets from ``first`` to ``last`` of a file, each from a share on."""
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place, size in places[first:last]:
        begin = place + int(start * size)
        data[begin : place + size] = rng.integers(0, 256, place + size - begin, np.uint8).tobytes()
    path.write_bytes(data)
    return path


def test_damage_is_counted_up_to_the_next_key_frame(tmp_path):
    path = encode(tmp_path / 'a.mp4', bf=0, sc_threshold=0)
    assert VideoFile(str(path), Tables()).table.damaged == 0
    table = VideoFile(str(noise(path, 15, 17)), Tables()).table
    assert (table.damaged, table.total) == (9, 40)  # 15 to 23; 24 is a key frame
    assert table.pts is None  # read in order from now on


def test_pictures_of_a_damaged_file_are_those_of_a_decode_in_order(tmp_path):
    path = noise(encode(tmp_path / 'a.mp4', bf=0, sc_threshold=0), 15, 17)
    frames = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                frames += [frame.to_ndarray(format='rgb24') for frame in packet.decode()]
            except av.error.InvalidDataError:
                continue
    assert len(frames) == 38
    assert same(read(path, list(range(len(frames)))), frames)


def test_a_file_that_is_mostly_damaged_is_refused(tmp_path):
    path = noise(encode(tmp_path / 'a.mp4', bf=0, sc_threshold=0), 5, 36)
    with pytest.raises(UnreadableError) as caught:
        VideoFile(str(path), Tables())
    assert caught.value.reason == 'damaged' and 'of 40 pictures' in caught.value.detail


def test_what_a_believed_index_promises_in_vain_is_counted(tmp_path, monkeypatch):
    path = noise(encode(tmp_path / 'a.mp4', bf=0, sc_threshold=0), 39, 40)
    monkeypatch.setattr(video_file, 'WHOLE_PIXELS', 0)
    file = VideoFile(str(path), Tables())
    assert len(file.table) == 40
    found = list(file.read([38, 39]))
    assert file.lost == 1 and np.array_equal(*found)


def test_names_of_any_kind(tmp_path):
    truth = moving_square(40)
    for name in (b'no extension', b'a:b %03d.mp4', b'two\nlines.mp4', b'latin \xe9\xff.mp4'):
        path = Path(str(tmp_path), name.decode('utf-8', 'surrogateescape'))
        encode(tmp_path / 'source.mp4').rename(path)
        (picture,) = read(path, [20])
        assert np.abs(picture - truth[20].astype(int)).mean() < 12


def test_playlists_and_texts_are_no_videos(tmp_path):
    encode(tmp_path / 'a.mp4')
    lists = {
        'concat.ffconcat': 'ffconcat version 1.0\nfile a.mp4\n',
        'list.m3u8': '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.mp4\n#EXT-X-ENDLIST\n',
        'text.txt': 'some words\n' * 100,
        'art.ans': 'some words\n' * 100,
    }
    for name, text in lists.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(UnreadableError) as caught:
            VideoFile(str(path), Tables())
        assert caught.value.reason == 'unreadable'
