"""Lists of videos in their three forms, and what is wrong with bad ones."""

import csv

import pytest

from projects.msta.datasets.lists.annotations import (
    AnnotationError,
    Video,
    read_annotations,
    read_skip_list,
    scan_folder,
    write_annotations,
    write_skip_list,
)


def write(path, text):
    path.write_text(text, encoding='utf-8')
    return path


def test_text_list_splits_from_the_right(tmp_path):
    source = write(
        tmp_path / 'list.txt', 'a.mp4 0\ndir with space/b (1) 2.mp4 12\r\n\nc.mp4\t3\né ü.avi  4 \n'
    )
    assert read_annotations(source) == [
        Video('a.mp4', 0),
        Video('dir with space/b (1) 2.mp4', 12),
        Video('c.mp4', 3),
        Video('é ü.avi', 4),
    ]


def test_text_list_with_a_delimiter(tmp_path):
    source = write(tmp_path / 'list.txt', 'a, b.mp4,1\nc.mp4, 0\n')
    assert read_annotations(source, delimiter=',') == [Video('a, b.mp4', 1), Video('c.mp4', 0)]


def test_labels_may_be_left_out_on_request(tmp_path):
    source = write(tmp_path / 'list.txt', 'my clip.mp4\nother.mp4 2\n')
    assert read_annotations(source, need_labels=False) == [
        Video('my clip.mp4', -1),
        Video('other.mp4', 2),
    ]
    with pytest.raises(AnnotationError, match=r"line 1: 'my clip.mp4' does not end in a class"):
        read_annotations(source)


def test_csv_by_header_name_and_position(tmp_path):
    named = write(tmp_path / 'a.csv', 'label,fps,path\nrun,3,"a, b.mp4"\nwalk,3,c.mp4\n')
    assert read_annotations(named, ['walk', 'run']) == [Video('a, b.mp4', 1), Video('c.mp4', 0)]
    bare = write(tmp_path / 'b.csv', 'a b.mp4,1\nc.mp4,0\n')
    assert read_annotations(bare) == [Video('a b.mp4', 1), Video('c.mp4', 0)]


def test_several_classes_of_a_video(tmp_path):
    text = write(tmp_path / 'list.txt', 'a b.mp4 1 0 7\nc.mp4\t2\n')
    found = read_annotations(text, multi_class=True)
    assert found == [Video('a b.mp4', 1, (0, 7)), Video('c.mp4', 2)]
    assert found[0].labels == (1, 0, 7)
    write_annotations(tmp_path / 'again.txt', found, multi_class=True)
    assert read_annotations(tmp_path / 'again.txt', multi_class=True) == found
    named = write(tmp_path / 'a.csv', 'path,labels\na.mp4,run|far away\nb.mp4,1\n')
    assert read_annotations(named, ['far away', 'run'], multi_class=True) == [
        Video('a.mp4', 1, (0,)),
        Video('b.mp4', 1),
    ]
    with pytest.raises(AnnotationError, match='number at its end'):
        write_annotations(tmp_path / 'bad.txt', [Video('folder 3', 1)], multi_class=True)


@pytest.mark.parametrize(
    ('cell', 'words'),
    [('run||walk', 'line 2: a label is empty'), ('run|fly', "'fly' is not among the 2 classes")],
)
def test_labels_that_are_not_there(tmp_path, cell, words):
    named = write(tmp_path / 'a.csv', f'path,labels\na.mp4,{cell}\n')
    with pytest.raises(AnnotationError, match=words):
        read_annotations(named, ['run', 'walk'], multi_class=True)


def test_csv_class_whose_name_is_a_number(tmp_path):
    source = write(tmp_path / 'a.csv', 'path,label\na.mp4,7\n')
    assert read_annotations(source, ['9', '7']) == [Video('a.mp4', 1)]


@pytest.mark.parametrize(
    ('name', 'text', 'labels', 'message'),
    [
        ('a.txt', '', None, 'no videos'),
        ('a.txt', 'a.mp4 x\n', None, 'line 1'),
        ('a.txt', 'a.mp4 0\nb.mp4 -1\n', None, 'line 2: -1'),
        ('a.txt', 'a.mp4 0\nb.mp4 2\n', ['x', 'y'], r'not 0..1 \(2 classes\): line 2: 2 \(b.mp4\)'),
        ('a.csv', 'path,label\na.mp4,jump\n', None, "'jump' is a name"),
        ('a.csv', 'path,label\na.mp4,jump\n', ['run'], "'jump' is not among the 1"),
        ('a.csv', 'path,label\na.mp4\n', None, 'line 2: 1 columns'),
        ('a.csv', 'path,label\na.mp4,jump, turn\n', ['jump'], 'line 2: 3 columns'),
    ],
)
def test_bad_lists_name_file_and_line(name, text, labels, message, tmp_path):
    source = write(tmp_path / name, text)
    with pytest.raises(AnnotationError, match=message) as caught:
        read_annotations(source, labels)
    assert str(source) in str(caught.value)


def test_missing_and_binary_lists(tmp_path):
    with pytest.raises(AnnotationError, match='no such annotation file'):
        read_annotations(tmp_path / 'none.txt')
    (tmp_path / 'binary.txt').write_bytes(b'\xff\xfe\x00a')
    with pytest.raises(AnnotationError, match='not UTF-8'):
        read_annotations(tmp_path / 'binary.txt')


def test_names_that_are_not_utf8_or_hold_line_breaks(tmp_path):
    odd = b'caf\xe9.mp4'.decode('utf-8', 'surrogateescape')
    (tmp_path / 'list.txt').write_bytes(b'caf\xe9.mp4 0\nb c 1\n')
    videos = read_annotations(tmp_path / 'list.txt')
    assert videos == [Video(odd, 0), Video('b c', 1)]
    write_annotations(tmp_path / 'again.txt', videos)
    assert (tmp_path / 'again.txt').read_bytes() == (tmp_path / 'list.txt').read_bytes()
    (tmp_path / 'list.csv').write_text('path,label\n"two\nlines.mp4",1\nb.mp4,0\n')
    assert read_annotations(tmp_path / 'list.csv') == [
        Video('two\nlines.mp4', 1),
        Video('b.mp4', 0),
    ]


def test_a_folder_of_images_is_one_video(tmp_path):
    images = ['walk/clip 1/img_1.jpg', 'walk/clip 1/img_2.jpg', 'walk/._clip/._img_1.jpg']
    # Beside videos, images are their previews; a file that begins with a point is macOS's own.
    beside = ['run/deep/b.jpg', 'run/deep/._b.mp4']
    for name in (*images, *beside, 'walk/a.mp4', 'run/deep/b.mp4'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [v.path for v in read_annotations(tmp_path)] == [
        'run/deep/b.mp4',
        'walk/a.mp4',
        'walk/clip 1',
    ]


def make_folders(root):
    for name in ('walk/b c.mp4', 'walk/a.AVI', 'run/deep/x.webm', 'run/notes.txt', '.cache/y.mp4'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folder_a_class(tmp_path):
    make_folders(tmp_path)
    expected = [Video('run/deep/x.webm', 0), Video('walk/a.AVI', 1), Video('walk/b c.mp4', 1)]
    assert scan_folder(tmp_path) == (expected, ['run', 'walk'])
    assert read_annotations(tmp_path, ['walk', 'sit', 'run']) == [
        Video('walk/a.AVI', 0),
        Video('walk/b c.mp4', 0),
        Video('run/deep/x.webm', 2),
    ]
    with pytest.raises(AnnotationError, match=r'1 folders are not in the list of 2 .*: run'):
        read_annotations(tmp_path, ['walk', 'sit'])


def test_folder_without_videos(tmp_path):
    with pytest.raises(AnnotationError, match='no videos in it'):
        scan_folder(tmp_path)


def test_written_lists_read_back_and_leave_no_partial_file(tmp_path):
    videos = [Video('a b/c 1.mp4', 0), Video('d.mp4', 5)]
    write_annotations(tmp_path / 'new' / 'list.txt', videos)
    assert read_annotations(tmp_path / 'new' / 'list.txt') == videos
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['list.txt']


ODD_NAMES = [
    'a\u2028b.mp4',
    'a\x85b.mp4',
    'a\x0bb.mp4',
    'a\x0cb.mp4',
    'a\x1eb.mp4',
    'a\tb 1.mp4',
    '#1.mp4',
]


def test_odd_names_come_back_from_lists_csv_and_skip_lists(tmp_path):
    videos = [Video(name, number) for number, name in enumerate(ODD_NAMES)]
    write_annotations(tmp_path / 'list.txt', videos)
    assert read_annotations(tmp_path / 'list.txt') == videos
    write_skip_list(tmp_path / 'skip.txt', dict.fromkeys(ODD_NAMES, 'cut\toff\nhere'))
    assert read_skip_list(tmp_path / 'skip.txt') == dict.fromkeys(ODD_NAMES, 'cut off here')
    with (tmp_path / 'list.csv').open(
        'w', newline='', encoding='utf-8', errors='surrogateescape'
    ) as file:
        csv.writer(file).writerows([(name, k) for k, name in enumerate([*ODD_NAMES, 'a\nb.mp4'])])
    names = [*ODD_NAMES, 'a\nb.mp4']
    found = read_annotations(tmp_path / 'list.csv')
    assert found == [Video(name, k) for k, name in enumerate(names)]


@pytest.mark.parametrize(
    ('name', 'why'),
    [
        ('a\nb.mp4', r"'a\\nb.mp4' \(a line break"),
        ('a\rb.mp4', 'a line break'),
        (' run/a.mp4', "' run/a.mp4' \\(white space"),
        ('\u3000a.mp4', 'white space'),
    ],
)
def test_names_that_would_not_come_back_are_refused_by_name(name, why, tmp_path):
    with pytest.raises(AnnotationError, match=why):
        write_annotations(tmp_path / 'list.txt', [Video('good.mp4', 0), Video(name, 1)])
    assert not (tmp_path / 'list.txt').exists()


def test_skip_list(tmp_path):
    source = write(tmp_path / 'skip.txt', '# broken\na b.mp4\tempty file\nc.mp4\n\n')
    assert read_skip_list(source) == {'a b.mp4': 'empty file', 'c.mp4': ''}
    with pytest.raises(AnnotationError, match='no such skip list'):
        read_skip_list(tmp_path / 'none.txt')
