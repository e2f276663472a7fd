"""Class lists from every accepted source, and the errors of unusable ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.msta.labels import (
    LabelError,
    humanize_label,
    make_prompts,
    read_labels,
    shipped_labels,
)

COUNTS = {
    'kinetics400': 400,
    'kinetics400_base': 200,
    'kinetics400_novel': 200,
    'kinetics600': 600,
    'kinetics600_zs1': 160,
    'kinetics600_zs2': 160,
    'kinetics600_zs3': 160,
    'ucf101': 101,
    'ucf101_base': 51,
    'ucf101_novel': 50,
    'hmdb51': 51,
    'hmdb51_base': 26,
    'hmdb51_novel': 25,
    'ssv2': 174,
    'ssv2_base': 87,
    'ssv2_novel': 87,
}


def write(tmp_path, content, name='labels.txt'):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode('utf-8'))
    return path


def test_shipped_lists_have_the_published_counts():
    assert {name: len(read_labels(name)) for name in shipped_labels()} == COUNTS


@pytest.mark.parametrize('name', ['kinetics400', 'ucf101', 'hmdb51', 'ssv2'])
def test_base_and_novel_halve_the_full_list(name):
    base, novel = read_labels(f'{name}_base'), read_labels(f'{name}_novel')
    assert not set(base) & set(novel)
    assert set(base) | set(novel) == set(read_labels(name))


@pytest.mark.parametrize('split', [1, 2, 3])
def test_zero_shot_classes_of_k600_are_not_in_k400(split):
    names = set(read_labels(f'kinetics600_zs{split}'))
    assert names <= set(read_labels('kinetics600'))
    assert not names & set(read_labels('kinetics400'))


@pytest.mark.parametrize(
    ('file_name', 'content'),
    [
        ('plain.txt', 'run\nride a bike\n"quoted", name\n'),
        ('crlf.txt', 'run\r\nride a bike\r\n"quoted", name\r\n\r\n'),
        ('bom.txt', b'\xef\xbb\xbfrun\nride a bike\n"quoted", name'),
        ('header.csv', 'id,name\n0,run\n1,ride a bike\n2,"""quoted"", name"\n'),
        ('shuffled.csv', '2,"""quoted"", name"\n0,"run"\n1, ride a bike\n'),
        ('rows.txt', '0,run\n1,ride a bike\n2,"""quoted"", name"\n'),
    ],
)
def test_every_file_form_gives_the_same_names(tmp_path, file_name, content):
    expected = ['run', 'ride a bike', '"quoted", name']
    assert read_labels(write(tmp_path, content, file_name)) == expected
    assert read_labels(str(tmp_path / file_name)) == expected


def test_a_comma_in_an_unquoted_csv_name_is_kept(tmp_path):
    path = write(tmp_path, 'id,name\n0,lifting up, then dropping\n', 'a.csv')
    assert read_labels(path) == ['lifting up, then dropping']


@pytest.mark.parametrize(
    ('file_name', 'content', 'message'),
    [
        ('a.txt', '', 'has no class names'),
        ('a.csv', 'id,name\n', 'has no class names'),
        ('a.txt', 'run\n\nwalk\n', 'line 2: empty class name'),
        ('a.txt', 'run\nwalk\nrun \n', "line 3: 'run' is already the name of line 1"),
        ('a.txt', b'run\ncaf\xe9\n', '0xe9 in line 2 is not UTF-8'),
        ('a.txt', b'\xff\xfer\x00u\x00n\x00', 'not UTF-8, but looks like UTF-16'),
        ('a.txt', 'run\nwa\x00lk\n', 'line 2.*control character'),
        ('a.csv', 'id,name\n0,run\n2,walk\n', 'the ids 0 to 1, but 1 is missing'),
        ('a.csv', '0,run\n0,walk\n', 'line 2: id 0 was given before, in line 1'),
        ('a.csv', 'id,name\n0,run\nwalk\n', 'line 3: \'walk\' is not "id,name"'),
        ('a.csv', 'id,name\n0,run\n-1,walk\n', 'line 3'),
        ('a.csv', '0,run\n1,\n', 'line 2: empty class name'),
    ],
)
def test_unusable_files_are_named(tmp_path, file_name, content, message):
    with pytest.raises(LabelError, match=message):
        read_labels(write(tmp_path, content, file_name))


def test_a_missing_file_lists_the_shipped_ones(tmp_path):
    with pytest.raises(LabelError, match=r'shipped lists: hmdb51, .*kinetics400'):
        read_labels(tmp_path / 'none.txt')
    with pytest.raises(LabelError, match="no label file 'kinetics'"):
        read_labels('kinetics')
    with pytest.raises(LabelError, match='far/down/none'):
        read_labels(tmp_path / 'a' / '/'.join(['deep'] * 20) / 'far/down/none.txt')
    with pytest.raises(LabelError, match=r"'xxx.*far/none.txt' \(512 characters\)"):
        read_labels('x' * 499 + '/far/none.txt')


def test_a_sequence_is_checked_like_a_file():
    assert read_labels(('run', ' walk ')) == ['run', 'walk']
    with pytest.raises(LabelError, match="entry 1: 'run' is already"):
        read_labels(['run', 'run'])
    with pytest.raises(LabelError, match='entry 0: 3 is not a text'):
        read_labels([3])
    with pytest.raises(LabelError, match='no class names'):
        read_labels([])


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('ApplyEyeMakeup', 'apply eye makeup'),
        ('Archery', 'archery'),
        ('YoYo', 'yo yo'),
        ('brush_hair', 'brush hair'),
        ('MMA fighting', 'MMA fighting'),
        ('PlayingTVGames', 'playing TV games'),
        ('shooting goal (soccer)', 'shooting goal (soccer)'),
        ('Poking something', 'Poking something'),
    ],
)
def test_identifiers_become_words(name, words):
    assert humanize_label(name) == words


@settings(deadline=None)
@given(st.from_regex(r'[A-Za-z0-9_]*[A-Za-z0-9][A-Za-z0-9_]*', fullmatch=True))
def test_words_lose_no_letter(name):
    words = humanize_label(name)
    assert words.replace(' ', '').lower() == name.replace('_', '').lower()


def test_names_that_become_equal_are_refused():
    assert read_labels(['EyeMakeup', 'run'], humanize=True) == ['eye makeup', 'run']
    with pytest.raises(LabelError, match="'eye makeup' is already the name of entry 0"):
        read_labels(['EyeMakeup', 'eye_makeup'], humanize=True)


def test_prompts_hold_the_name_literally():
    assert make_prompts(['a {} b', 'run']) == ['a video of a {} b.', 'a video of run.']
    assert make_prompts(['run'], 'a {x} of {}') == ['a {x} of run']


@pytest.mark.parametrize('template', ['a video.', '{} and {}', '{0}'])
def test_templates_need_one_place(template):
    with pytest.raises(LabelError, match='exactly one'):
        make_prompts(['run'], template)
