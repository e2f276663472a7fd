"""Official annotation files, in small, as their owners write them."""

import json

import pytest

from projects.msta.datasets.lists.annotations import AnnotationError, Video
from projects.msta.datasets.lists.locate import locate
from projects.msta.datasets.lists.sources import (
    ClassIndex,
    read_activitynet,
    read_hmdb51,
    read_kinetics,
    read_ssv2,
    read_ucf101,
)


def test_names_match_whatever_their_spelling():
    index = ClassIndex(['apply eye makeup', "massaging person's head", 'brush hair'], 'x')
    assert index['ApplyEyeMakeup'] == 0
    assert index['massaging persons head'] == 1
    assert index['brush_hair'] == 2
    with pytest.raises(AnnotationError, match="class 'walk' is not in the list of 3"):
        index['walk']
    with pytest.raises(AnnotationError, match='only 1 differ'):
        ClassIndex(['brush hair', 'Brush_Hair'], 'x')


KINETICS = """label,youtube_id,time_start,time_end,split
zumba,-abc_DEF,20,30,train
"answering questions",x1,0,10,train
abseiling,y2,105.0,115.0,validate
"""


def test_kinetics(tmp_path):
    path = tmp_path / 'train.csv'
    path.write_text(KINETICS)
    labels = ['abseiling', 'answering questions', 'zumba']
    assert read_kinetics(path, labels) == [
        Video('train/-abc_DEF_000020_000030.mp4', 2),
        Video('train/x1_000000_000010.mp4', 1),
        Video('val/y2_000105_000115.mp4', 0),
    ]
    by_class = read_kinetics(path, labels, layout='class')
    assert by_class[1] == Video('train/answering questions/x1_000000_000010.mp4', 1)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('youtube_id,time_start,time_end,split\n', 'no column label'),
        ('label,youtube_id,time_start,time_end,split\n', 'no videos'),
        ('label,youtube_id,time_start,time_end,split\nzumba,x,,30,train\n', 'line 2: no times'),
        ('label,youtube_id,time_start,time_end,split\nsamba,x,1,2,train\n', "class 'samba'"),
    ],
)
def test_bad_kinetics(text, message, tmp_path):
    path = tmp_path / 'train.csv'
    path.write_text(text)
    with pytest.raises(AnnotationError, match=message):
        read_kinetics(path, ['zumba'])


def test_ucf101_indices_come_from_the_names_not_from_the_ones_in_the_file(tmp_path):
    """The file counts from 1: taking its numbers shifts every label."""
    (tmp_path / 'trainlist02.txt').write_text(
        'ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\nYoYo/v_YoYo_g01_c02.avi 101\r\n'
    )
    (tmp_path / 'testlist02.txt').write_text('YoYo/v_YoYo_g09_c01.avi\n')
    lists = read_ucf101(tmp_path, ['ApplyEyeMakeup', 'YoYo'], 2)
    assert lists == {
        'train': [
            Video('ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi', 0),
            Video('YoYo/v_YoYo_g01_c02.avi', 1),
        ],
        'test': [Video('YoYo/v_YoYo_g09_c01.avi', 1)],
    }
    with pytest.raises(AnnotationError, match=r'trainlist01.txt: no such file'):
        read_ucf101(tmp_path, ['ApplyEyeMakeup', 'YoYo'], 1)


def test_hmdb51(tmp_path):
    (tmp_path / 'brush_hair_test_split1.txt').write_text('a b.avi 1 \nc.avi 2 \nd.avi 0 \n')
    (tmp_path / 'wave_test_split1.txt').write_text('e.avi 2 \nf.avi 1 \n')
    (tmp_path / 'wave_test_split2.txt').write_text('e.avi 1 \n')
    lists = read_hmdb51(tmp_path, ['brush hair', 'wave'], 1)
    assert lists == {
        'train': [Video('brush_hair/a b.avi', 0), Video('wave/f.avi', 1)],
        'test': [Video('brush_hair/c.avi', 0), Video('wave/e.avi', 1)],
    }
    with pytest.raises(AnnotationError, match='files for 1 classes, expected 2'):
        read_hmdb51(tmp_path, ['brush hair', 'wave'], 2)
    with pytest.raises(AnnotationError, match=r'no \*_test_split3'):
        read_hmdb51(tmp_path, ['brush hair', 'wave'], 3)


def test_ssv2(tmp_path):
    path = tmp_path / 'val.json'
    items = [
        {'id': '74225', 'label': 'spinning cube', 'template': 'Spinning [something] quickly'},
        {'id': 5, 'label': 'x', 'template': 'Holding [something] next to [something]'},
    ]
    path.write_text(json.dumps(items))
    labels = ['Holding something next to something', 'Spinning something quickly']
    assert read_ssv2(path, labels) == [Video('74225.webm', 1), Video('5.webm', 0)]
    path.write_text(json.dumps([{'id': '1'}]))
    with pytest.raises(AnnotationError, match='without id or template'):
        read_ssv2(path, labels)
    path.write_text('[{')
    with pytest.raises(AnnotationError, match='not JSON'):
        read_ssv2(path, labels)


def test_activitynet_takes_the_class_that_fills_most(tmp_path):
    def entry(subset, *segments):
        annotations = [{'segment': [a, b], 'label': label} for a, b, label in segments]
        return {'subset': subset, 'annotations': annotations}

    path = tmp_path / 'net.json'
    database = {
        'b': entry('training', (0, 10, 'Running'), (10, 16, 'Archery'), (20, 26, 'Archery')),
        'a': entry('validation', (0, 3, 'Running')),
        'c': entry('testing'),
    }
    path.write_text(json.dumps({'database': database}))
    lists, names, mixed = read_activitynet(path)
    assert names == ['Archery', 'Running']
    assert lists == {'train': [Video('v_b.mp4', 0)], 'val': [Video('v_a.mp4', 1)]}
    assert mixed == 1
    path.write_text('[]')
    with pytest.raises(AnnotationError, match='no "database"'):
        read_activitynet(path)


def test_locate_finds_by_name_and_class_folder(tmp_path):
    for name in ('run/a.avi', 'run/b.avi', 'jump_high/b.avi', 'jump_high/c.mp4', 'x/d.mp4'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'y').mkdir()
    (tmp_path / 'y' / 'd.mp4').touch()
    wanted = [Video('a.avi', 0), Video('b.avi', 1), Video('c.webm', 1), Video('d.mp4', 0)]
    found, missing = locate(wanted, ['run', 'jump high'], tmp_path)
    assert found == [
        Video('run/a.avi', 0),
        Video('jump_high/b.avi', 1),
        Video('jump_high/c.mp4', 1),
    ]
    assert missing == [Video('d.mp4', 0)]
