"""The commands that write lists, run as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from projects.msta.datasets.lists.annotations import read_annotations
from projects.msta.datasets.lists.published import PUBLISHED, read_published
from projects.msta.labels import read_labels

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'data'


def run(tool, *args, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOLS / tool), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@pytest.fixture
def data(tmp_path):
    lines = [f'class {c}/video {i}.mp4 {c}\n' for c in range(5) for i in range(4 + c)]
    (tmp_path / 'train.txt').write_text(''.join(lines))
    (tmp_path / 'test.txt').write_text(
        ''.join(f'test/{c} {i}.mp4 {c}\n' for c in range(5) for i in (0, 1))
    )
    (tmp_path / 'labels.txt').write_text('walk\nrun\njump\nsit\nstand\n')
    return tmp_path


def test_base_novel_and_its_record(data):
    args = ('--labels', 'labels.txt', '--train', 'train.txt', '--test', 'test.txt', '--shots', 3)
    done = run('make_splits.py', 'base-novel', *args, '--out', 'a', cwd=data)
    assert done.returncode == 0, done.stderr
    # Classes 4, 3, 2 are the most frequent; names and indices go together.
    assert read_labels(data / 'a' / 'base_labels.txt') == ['jump', 'sit', 'stand']
    assert read_labels(data / 'a' / 'novel_labels.txt') == ['walk', 'run']
    for seed in (1, 2, 3):
        shots = read_annotations(data / 'a' / f'base_train_3shot_seed{seed}.txt')
        assert len(shots) == 9
        assert all(v.path.startswith(f'class {v.label + 2}/') for v in shots)
    novel = read_annotations(data / 'a' / 'novel_test.txt')
    assert [(v.path, v.label) for v in novel][:2] == [('test/0 0.mp4', 0), ('test/0 1.mp4', 0)]
    run('make_splits.py', 'base-novel', *args, '--out', 'b', cwd=data)
    for path in (data / 'a').iterdir():
        assert path.read_bytes() == (data / 'b' / path.name).read_bytes()
    record = json.loads((data / 'a' / 'splits.json').read_text())
    assert record['novel_test.txt']['videos'] == 4
    assert set(record['novel_test.txt']['sources']) == {'train.txt', 'test.txt'}


def test_few_shot_and_zero_shot(data):
    shared = ('--labels', 'labels.txt', '--out', 'out')
    done = run(
        'make_splits.py', 'few-shot', *shared, '--train', 'train.txt', '--shots', 1, 2, 4, cwd=data
    )
    assert done.returncode == 0, done.stderr
    drawn = [set(read_annotations(data / 'out' / f'train_{k}shot_seed1.txt')) for k in (1, 2, 4)]
    assert drawn[0] < drawn[1] < drawn[2]
    done = run('make_splits.py', 'zero-shot', *shared, '--test', 'test.txt', cwd=data)
    assert done.returncode == 0, done.stderr
    labels = read_labels(data / 'out' / 'labels_split1.txt')
    assert len(labels) == 2
    everything = read_labels(data / 'labels.txt')
    for video in read_annotations(data / 'out' / 'test_split1.txt', labels):
        assert everything.index(labels[video.label]) == int(video.path.split('/')[1][0])
    (data / 'seen.txt').write_text('Walk\njump\n')
    done = run(
        'make_splits.py', 'zero-shot', *shared, '--test', 'test.txt', '--seen', 'seen.txt', cwd=data
    )
    assert '3 of 5 classes are not in seen.txt' in done.stdout
    assert read_labels(data / 'out' / 'labels_split1.txt') == ['run', 'sit', 'stand']


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('few-shot', '--train', 'train.txt'), "class 0, 'walk', has 4"),
        (('few-shot', '--train', 'none.txt'), 'no such annotation file'),
        (('zero-shot', '--test', 'test.txt', '--classes', '9'), 'cannot draw 9 classes of 5'),
        (('published', 'nowhere'), 'no label file'),
        (('ucf101', 'nowhere'), 'no such file'),
    ],
)
def test_user_errors_are_one_line_and_leave_no_files(args, message, data):
    extra = () if args[0] == 'published' else ('--labels', 'labels.txt', '--out', 'out')
    done = run('make_splits.py', *args, *extra, cwd=data)
    assert done.returncode == 2
    assert done.stderr.startswith('error: ') and message in done.stderr
    assert 'Traceback' not in done.stderr
    assert not (data / 'out').exists()


def test_from_folder(data):
    for name in (
        'ApplyEyeMakeup/a 1.mp4',
        'ApplyEyeMakeup/b.mp4',
        'juggle_balls/c.MOV',
        'juggle_balls/d.mp4',
    ):
        (data / 'own' / name).parent.mkdir(parents=True, exist_ok=True)
        (data / 'own' / name).touch()
    done = run('from_folder.py', 'own', '--out', 'lists', cwd=data)
    assert done.returncode == 0, done.stderr
    labels = read_labels(data / 'lists' / 'labels.txt')
    assert labels == ['apply eye makeup', 'juggle balls']
    train = read_annotations(data / 'lists' / 'train.txt', labels)
    val = read_annotations(data / 'lists' / 'val.txt', labels)
    assert len(train) == len(val) == 2
    assert all((v.label == 0) == v.path.startswith('ApplyEyeMakeup/') for v in train + val)
    empty = run('from_folder.py', 'lists', '--out', 'x', cwd=data)
    assert empty.returncode == 2 and 'no videos in it' in empty.stderr


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_that_are_split_already_stay_so(tmp_path):
    own = tmp_path / 'own'
    touch(own, 'train/run/a.mp4', 'train/walk/b.mp4', 'Val/run/c.mp4', 'test/walk/d.mp4')
    done = run('from_folder.py', 'own', '--out', 'lists', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'train and val and test are taken as the splits' in done.stderr
    assert 'val: 1 classes have no video in it: walk' in done.stderr
    labels = read_labels(tmp_path / 'lists' / 'labels.txt')
    assert labels == ['run', 'walk']
    found = {
        name: [
            (v.path, labels[v.label])
            for v in read_annotations(tmp_path / 'lists' / f'{name}.txt', labels)
        ]
        for name in ('train', 'val', 'test')
    }
    assert found == {
        'train': [('train/run/a.mp4', 'run'), ('train/walk/b.mp4', 'walk')],
        'val': [('Val/run/c.mp4', 'run')],
        'test': [('test/walk/d.mp4', 'walk')],
    }
    # Actions may be called so too: such folders hold videos, not folders of videos.
    touch(tmp_path / 'sports', 'train/a.mp4', 'train/b.mp4', 'test/a.mp4', 'test/b.mp4')
    assert run('from_folder.py', 'sports', '--out', 'x', cwd=tmp_path).returncode == 0
    assert read_labels(tmp_path / 'x' / 'labels.txt') == ['test', 'train']


def test_classes_without_videos_are_said_and_left_out(tmp_path):
    own = tmp_path / 'own'
    touch(own, 'run/a.mp4', 'run/b.mp4', 'walk/a.mp4', 'walk/b.mp4', 'jump/a.txt', 'jump/b.txt')
    (own / 'empty').mkdir()
    done = run('from_folder.py', 'own', '--out', 'lists', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "class 'empty': its folder is empty" in done.stderr
    assert "class 'jump': its 2 files (a.txt, b.txt) are not videos" in done.stderr
    assert read_labels(tmp_path / 'lists' / 'labels.txt') == ['run', 'walk']
    assert len(read_annotations(tmp_path / 'lists' / 'val.txt', ['run', 'walk'])) == 2


def test_a_class_with_one_video_is_named(tmp_path):
    touch(tmp_path / 'own', 'run/a.mp4', 'run/b.mp4', 'RideBike/a.mp4')
    done = run('from_folder.py', 'own', '--out', 'lists', cwd=tmp_path)
    assert done.returncode == 2 and "'ride bike'" in done.stderr
    assert run('from_folder.py', 'own', '--out', 'x', '--no-split', cwd=tmp_path).returncode == 0


def test_names_that_no_list_can_hold_are_named_and_the_others_written(tmp_path):
    own = tmp_path / 'own'
    touch(own, 'run/a.mp4', 'run/b\u2028.mp4', 'run/c\n.mp4', 'walk/a.mp4', 'walk/b.mp4')
    (own / 'run' / os.fsdecode(b'caf\xe9.mp4')).touch()
    done = run('from_folder.py', 'own', '--out', 'lists', '--no-split', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert r"'run/c\n.mp4': a line break" in done.stderr
    names = [v.path for v in read_annotations(tmp_path / 'lists' / 'all.txt')]
    kept = ['run/a.mp4', 'run/b\u2028.mp4', 'run/caf\udce9.mp4']
    assert names == [*kept, 'walk/a.mp4', 'walk/b.mp4']
    touch(own, ' leading/a.mp4', ' leading/b.mp4')
    done = run('from_folder.py', 'own', '--out', 'lists', '--no-split', cwd=tmp_path)
    assert done.returncode == 0 and "' leading/a.mp4': white space" in done.stderr
    assert "class ' leading': none of its videos" in done.stderr
    assert read_labels(tmp_path / 'lists' / 'labels.txt') == ['run', 'walk']


def publish(root: Path, name: str, videos_a_class: int = 1) -> Path:
    """Write one list as ViFi-CLIP lays them out, with the real class names."""
    entry = PUBLISHED[name]
    names = read_labels(entry.labels)
    labels = root / 'labels' / entry.labels_file
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text('id,name\n' + ''.join(f'{i},"{n}"\n' for i, n in enumerate(names)))
    path = root / 'datasets_splits' / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'v_{i}_{k}.avi {i}\n' for i in range(len(names)) for k in range(videos_a_class)]
    path.write_text(''.join(lines))
    return path


def test_published_list_reads_and_is_checked(tmp_path):
    path = publish(tmp_path, 'base2novel/hmdb/base_train_seed2', 16)
    videos, names = read_published(tmp_path, 'base2novel/hmdb/base_train_seed2')
    assert (len(videos), len(names)) == (26 * 16, 26)
    path.write_text(path.read_text().replace('v_3_1.avi 3\n', 'v_3_0.avi 3\n'))
    with pytest.raises(ValueError, match='1 videos are listed twice'):
        read_published(tmp_path, 'base2novel/hmdb/base_train_seed2')
    path.write_text(path.read_text().replace('v_3_0.avi 3\n', ''))
    with pytest.raises(ValueError, match='14 to 16 videos per class, expected 16'):
        read_published(tmp_path, 'base2novel/hmdb/base_train_seed2')


def test_published_labels_in_another_order_are_refused(tmp_path):
    publish(tmp_path, 'ucf/val1')
    labels = tmp_path / 'labels' / 'ucf_101_labels.csv'
    text = labels.read_text()
    labels.write_text(
        text.replace('Archery', 'X').replace('Biking', 'Archery').replace('"X"', '"Biking"')
    )
    assert labels.read_text() != text
    with pytest.raises(ValueError, match="class names differ from the list 'ucf101'"):
        read_published(tmp_path, 'ucf/val1')


def test_the_published_protocols_have_the_papers_class_counts():
    classes = {name: entry.num_classes for name, entry in PUBLISHED.items()}
    for dataset, base, novel in (
        ('k400', 200, 200),
        ('hmdb', 26, 25),
        ('ucf', 51, 50),
        ('ssv2', 87, 87),
    ):
        assert classes[f'base2novel/{dataset}/base_val'] == base
        assert classes[f'base2novel/{dataset}/novel_val'] == novel
    assert [classes[f'k600/zero_shot_{split}'] for split in (1, 2, 3)] == [160] * 3
    for entry in PUBLISHED.values():
        assert len(read_labels(entry.labels)) == entry.num_classes


def test_published_lists_for_other_folders(data):
    publish(data / 'vifi', 'hmdb/few_shot_2', 2)
    labels = read_labels('hmdb51')
    for index, name in enumerate(labels):
        folder = data / 'videos' / name.replace(' ', '_')
        folder.mkdir(parents=True)
        for k in (0, 1):
            (folder / f'v_{index}_{k}.avi').touch()
    args = ('published', 'vifi', '--names', 'hmdb/few_shot_2', '--videos', 'videos', '--out', 'out')
    done = run('make_splits.py', *args, cwd=data)
    assert done.returncode == 0, done.stderr
    videos = read_annotations(data / 'out' / 'hmdb_few_shot_2.txt', labels)
    assert len(videos) == 102
    assert all((data / 'videos' / video.path).is_file() for video in videos)
    (data / 'videos' / 'brush_hair' / 'v_0_1.avi').unlink()
    done = run('make_splits.py', *args, cwd=data)
    assert done.returncode == 2 and '1 videos were not found' in done.stderr
    assert 'not found: v_0_1.avi' in done.stdout
