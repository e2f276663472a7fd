"""A user's folders and lists become clips, classes and groups, or a line that says why not."""

import pytest

from projects.msta.datasets.lists.annotations import AnnotationError
from projects.msta.own_videos.collect import collect


def make(root, files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'video')
    return root


def test_a_folder_per_class(tmp_path):
    found = collect(
        make(tmp_path, ['Ride_Bike/a.mp4', 'Ride_Bike/b.avi', 'Saut en longueur/c.mp4'])
    )
    assert found.names == ['ride bike', 'Saut en longueur']
    assert [(clip.path, clip.label) for clip in found.clips] == [
        ('Ride_Bike/a.mp4', 0), ('Ride_Bike/b.avi', 0), ('Saut en longueur/c.mp4', 1),
    ]  # fmt: skip
    assert len({clip.group for clip in found.clips}) == 3
    assert found.counts() == [2, 1] and not found.remarks


def test_names_that_say_nothing_are_remarked_and_replaced(tmp_path):
    make(tmp_path, ['id_42/a.mp4', '007/b.mp4', 'juggling/c.mp4'])
    (remark,) = collect(tmp_path).remarks
    assert '(2 of ' in remark and 'names.csv' in remark and '007,a person' in remark
    (tmp_path / 'names.csv').write_text('folder,name\nid_42,opening a door\n007,打篮球\n')
    found = collect(tmp_path)
    assert sorted(found.names) == sorted(['opening a door', '打篮球', 'juggling'])
    (remark,) = found.remarks
    assert 'not in English' in remark and '(1 of 3 classes)' in remark and remark.endswith('打篮球')


def test_names_of_no_folder_are_refused(tmp_path):
    make(tmp_path, ['a/a.mp4', 'b/b.mp4'])
    (tmp_path / 'names.csv').write_text('c,something\n')
    with pytest.raises(AnnotationError, match="no folder 'c'; the folders are a, b"):
        collect(tmp_path)


def test_a_csv_with_groups_and_sides(tmp_path):
    make(tmp_path, ['v/1.mp4', 'v/2.mp4', 'v/3.mp4'])
    rows = (
        'path,label,group,split\n1.mp4,run/walk,x,train\n2.mp4,run/walk,y,val\n3.mp4,🏀 dunk,x,\n'
    )
    (tmp_path / 'list.csv').write_text(rows)
    found = collect(tmp_path / 'list.csv', videos=tmp_path / 'v')
    assert found.names == ['run/walk', '🏀 dunk']
    assert [(c.group, c.split) for c in found.clips] == [('x', 'train'), ('y', 'test'), ('x', '')]


def test_a_column_of_several_labels(tmp_path):
    rows = 'path,labels\n1.mp4,run|far away\n2.mp4,run\n3.mp4, walk | far away|walk\n'
    (tmp_path / 'list.csv').write_text(rows)
    found = collect(tmp_path / 'list.csv')
    assert found.multi_label and found.names == ['far away', 'run', 'walk']
    assert [clip.labels for clip in found.clips] == [(0, 1), (1,), (0, 2)]
    assert 'may have several classes (column labels; 1.7 on average)' in found.remarks[0]
    (tmp_path / 'one.csv').write_text('path,labels\n1.mp4,run\n2.mp4,walk\n')
    one = collect(tmp_path / 'one.csv')
    assert one.multi_label and 'call the column label' in one.remarks[0]


@pytest.mark.parametrize(
    ('path', 'group'),
    [
        ('archery/v_Archery_g07_c02.avi', 'Archery_g07'),
        ('archery/abcdefghijk_000010_000020.mp4', 'abcdefghijk'),
    ],
)
def test_known_names_tell_their_recording(tmp_path, path, group):
    found = collect(make(tmp_path, [path, 'other/x.mp4']))
    assert found.clips[0].group == group


def test_an_expression_tells_the_recording(tmp_path):
    make(tmp_path, ['a/match3_clip1.mp4', 'b/match3_clip2.mp4', 'b/alone.mp4'])
    first, second, alone = collect(tmp_path, group=r'(match\d+)_').clips
    assert {first.group, second.group} == {'match3'} or alone.group == 'match3'
    groups = {clip.path: clip.group for clip in (first, second, alone)}
    assert groups['a/match3_clip1.mp4'] == groups['b/match3_clip2.mp4'] == 'match3'
    assert groups['b/alone.mp4'] == 'file:b/alone.mp4'


@pytest.mark.parametrize(
    ('files', 'arguments', 'words'),
    [
        (['a/1.mp4'], {}, 'at least two classes'),
        (['a/1.mp4', 'b/2.mp4'], {'group': '(match'}, 'neither a column of the CSV nor'),
        (['a/1.mp4', 'b/2.mp4'], {'group': 'match'}, 'matches none of 2 paths'),
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path, files, arguments, words):
    with pytest.raises(AnnotationError, match=words):
        collect(make(tmp_path, files), **arguments)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('a.mp4,jump\n', 'must name the columns: path,label'),
        ('path,label\n', 'no videos in this file'),
        ('path,label\na.mp4,\n', 'line 2: a.mp4 has no label'),
        ('path,labels\na.mp4,x|\n', 'line 2: a.mp4 has no label'),
        ('path,label\na.mp4,x|y\n', r"line 2: 'x\|y' in the column label, which has one class"),
        ('path,label,labels\na.mp4,x,y\n', 'names both labels .* and label'),
        ('path,labels\na.mp4,x,y\n', 'line 2: 3 cells for 2 columns'),
        ('path,label\na.mp4,x\nb.mp4,x\na.mp4,y\n', 'line 4: a.mp4 is in line 2 already'),
        ('path,label,split\na.mp4,x,left\n', "line 2: split 'left' is not train or test"),
    ],
)
def test_lists_that_cannot_be_read_name_the_line(tmp_path, text, words):
    (tmp_path / 'list.csv').write_text(text)
    with pytest.raises(AnnotationError, match=words):
        collect(tmp_path / 'list.csv')
