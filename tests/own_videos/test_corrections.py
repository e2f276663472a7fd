"""Corrected clips: where they go, and that an adaptation takes them."""

import pytest

from projects.msta.labels import LabelError
from projects.msta.own_videos.collect import collect
from projects.msta.own_videos.corrections import store_correction

NAMES = [
    'brushing hair',
    'PlayingPiano',
    'a/b',
    'a_b',
    '../../up',
    '.hidden',
    'opening, then "closing"',
    '开门',
    '🏄',
    'x' * 300,
    'é' * 200,
    'names.csv',
]


@pytest.fixture
def clip(tmp_path):
    def make(name, content=b'1'):
        path = tmp_path / 'uploads' / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return make


def test_any_class_name_is_read_back(tmp_path, clip):
    folder = tmp_path / 'kept'
    for number, name in enumerate(NAMES):
        stored = store_correction(folder, clip(f'v_Surfing_g07_c{number:02d}.avi'), name)
        assert stored.parent.parent == folder and stored.is_file()
    found = collect(folder)
    assert sorted(found.names) == sorted(NAMES)
    assert {found.names[c.label]: c.group for c in found.clips} == dict.fromkeys(
        NAMES, 'Surfing_g07'
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ['kept', 'uploads']


def test_a_clip_has_one_class(tmp_path, clip):
    folder = tmp_path / 'kept'
    store_correction(folder, clip('a.mp4'), 'a/b')
    store_correction(folder, clip('a.mp4', b'2'), 'swimming')
    assert store_correction(folder, clip('a.mp4'), 'swimming').name != 'a.mp4'
    store_correction(folder, clip('a.mp4'), 'swimming')
    found = collect(folder, least=1)
    assert found.names == ['swimming'] and len(found.clips) == 2


def test_odd_files_get_names_that_are_found(tmp_path, clip):
    folder = tmp_path / 'kept'
    for name in ('no suffix', 'x.txt', '-.mp4', f'{"y" * 200}.MP4', 'a\nb.webm'):
        store_correction(folder, clip(name, name.encode()), 'swimming')
    assert len(collect(folder, least=1).clips) == 5
    with pytest.raises(LabelError):
        store_correction(folder, clip('a.mp4'), 'a\x00b')
