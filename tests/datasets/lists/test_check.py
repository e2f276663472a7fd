"""The check before a run, on lists with one fault each and on generated files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from projects.msta.datasets.lists.annotations import Video, read_skip_list
from projects.msta.datasets.lists.check import (
    Expected,
    check_classes,
    check_duplicates,
    check_leakage,
    check_seen,
    recording,
)
from projects.msta.datasets.lists.probe import probe_videos
from tests.videos import ODD_FILES, write_mp4

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'data' / 'check.py'
LABELS = ['brush hair', 'run', 'walk']


def kinds(problems) -> list[tuple[str, str]]:
    return [(problem.kind, problem.severity) for problem in problems]


def test_clean_lists_have_no_problems():
    videos = [Video(f'{name}/{i}.mp4', c) for c, name in enumerate(LABELS) for i in range(2)]
    assert check_classes('a', videos, LABELS, Expected(3, 6, 2)) == []
    assert check_duplicates('a', videos) == []
    assert check_leakage({'a': videos[::2], 'b': videos[1::2]}, {}) == []


def test_labels_that_shift_by_one_are_found():
    """UCF-101's own files count from 1: lists made of them are off by one."""
    videos = [Video('brush_hair/a.mp4', 1), Video('run/b.mp4', 2)]
    (problem, missing) = check_classes('a', videos, LABELS, Expected())
    assert problem.kind == 'label_mismatch' and problem.severity == 'error'
    assert '2 of 2 videos' in problem.detail and 'all indices are off by 1' in problem.detail
    assert missing.kind == 'class_without_videos'
    flat = [Video('v_ApplyEyeMakeup_g01_c01.avi', 1), Video('v_YoYo_g01_c02.avi', 1)]
    (problem,) = check_classes('a', flat[:1], ['apply eye makeup', 'YoYo'], Expected())[:1]
    assert 'v_ApplyEyeMakeup_g01_c01.avi has class 1 (YoYo)' in problem.detail


def test_counts_against_the_protocol():
    videos = [Video('x1.mp4', 0), Video('x2.mp4', 1), Video('x3.mp4', 1), Video('x4.mp4', 2)]
    problems = check_classes('a', videos, LABELS, Expected(classes=4, videos=5, shots=2))
    assert kinds(problems) == [('count', 'error')] * 3
    assert [p.detail for p in problems] == [
        '3 classes, the protocol has 4',
        '4 videos, the protocol has 5',
        '1 to 2 videos per class, the protocol has 2',
    ]


def test_duplicates_with_one_class_or_two():
    same = [Video('a.mp4', 0), Video('a.mp4', 0), Video('b.mp4', 1)]
    assert kinds(check_duplicates('a', same)) == [('duplicate', 'warning')]
    assert kinds(check_duplicates('a', [*same, Video('b.mp4', 0)])) == [
        ('duplicate', 'warning'),
        ('duplicate', 'error'),
    ]


def test_recordings():
    assert recording(Video('train/-abc_DEF-12_000020_000030.mp4', 0)) == '-abc_DEF-12'
    assert recording(Video('v_YoYo_g07_c04.avi', 0)) == 'YoYo_g07'
    assert recording(Video('x/y.mp4', 0)) is None


def test_leakage_by_path_recording_and_content(tmp_path):
    for name, text in {'a': 'one', 'b': 'one', 'c': 'two', 'd': 'six'}.items():
        (tmp_path / f'{name}.mp4').write_text(text)
    train = [Video('a.mp4', 0), Video('c.mp4', 0), Video('abcdefghijk_000001_000011.mp4', 0)]
    test = [Video('b.mp4', 0), Video('c.mp4', 0), Video('abcdefghijk_000031_000041.mp4', 0)]
    files = {
        'train': {f'{n}.mp4': tmp_path / f'{n}.mp4' for n in 'ac'},
        'test': {f'{n}.mp4': tmp_path / f'{n}.mp4' for n in 'bc'},
    }
    problems = check_leakage({'train': train, 'test': test}, files)
    assert [(p.kind, p.detail.split(':')[1].strip()) for p in problems] == [
        ('leakage', 'c.mp4'),
        ('leakage', 'a.mp4 and b.mp4'),
        ('leakage_recording', 'abcdefghijk_000001_000011.mp4 and abcdefghijk_000031_000041.mp4'),
    ]
    assert all(p.where == 'train, test' for p in problems)


def test_classes_trained_on():
    (problem,) = check_seen('ucf', ['BrushHair', 'Walk', 'Swim'], LABELS)
    assert '2 of 3 classes were trained on: BrushHair, Walk' in problem.detail
    assert check_seen('ucf', ['Swim'], LABELS) == []


def run(*args, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


# 4K takes long and tells no more here; permissions do not bind the superuser.
KINDS = [kind for kind in ODD_FILES if kind not in ('4K', 'no permission')]


def test_every_odd_file_is_reported(tmp_path):
    videos = tmp_path / 'videos'
    videos.mkdir()
    for kind in KINDS:
        name, write = ODD_FILES[kind]
        write(videos / name)
    os.mkfifo(videos / 'hung.mp4')
    names = [ODD_FILES[kind][0] for kind in KINDS] + ['hung.mp4', 'not there.mp4']
    (tmp_path / 'list.txt').write_text(''.join(f'{name} 0\n' for name in names))
    args = ('--videos', 'videos', '--report', 'report.json', '--skip-list', 'skip.txt')
    done = run('list.txt', *args, '--workers', 2, '--limit-sec', 4, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    report = json.loads((tmp_path / 'report.json').read_text())
    found = {p['path']: p['kind'] for p in report['problems'] if p['severity'] == 'error'}
    assert found == {
        'empty.mp4': 'empty',
        'text.mp4': 'unreadable',
        'cut10.mp4': 'unreadable',
        'cut50.mp4': 'unreadable',
        'cut90.mp4': 'unreadable',
        'fast50.mp4': 'damaged',
        'cut50.avi': 'damaged',
        'frames.mp4': 'no_frames',
        'audio.mp4': 'no_video',
        'hung.mp4': 'timeout',
        'not there.mp4': 'missing',
    }
    damaged = {p['path']: p['detail'] for p in report['problems'] if p['kind'] == 'damaged_frames'}
    assert set(damaged) == {'fast90.mp4', 'damaged.mp4', 'cut90.ts'}
    assert '25% of its frames' in damaged['fast90.mp4']  # 6 of 24
    assert '38% of its frames' in damaged['damaged.mp4']  # 18 of 48
    notes = {p['path'] for p in report['problems'] if p['kind'] == 'few_frames'}
    assert {'one.mp4', 'three.mp4'} <= notes
    assert report['ok'] is False
    assert report['lists']['list'] == {
        'expected': len(names),
        'decoded': len(names) - 11,
        'failed': 11,
        'classes': 1,
    }
    skipped = [line.split('\t')[0] for line in (tmp_path / 'skip.txt').read_text().splitlines()]
    assert skipped == sorted(found)
    assert not list(tmp_path.glob('*.partial'))


def test_clean_data_exits_zero(tmp_path):
    for index, name in enumerate(('train', 'test')):
        for label in ('brush_hair', 'run'):
            (tmp_path / name / label).mkdir(parents=True)
            write_mp4(tmp_path / name / label / 'my clip.mp4', seed=10 * index + len(label))
    done = run('train', 'test', '--report', 'r.json', '--classes', 2, '--shots', 1, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / 'r.json').read_text())['ok'] is True
    assert 'train: 2 videos of 2 classes, 2 readable, 0 failed' in done.stdout


def test_a_name_without_a_suffix_is_an_mp4_as_in_training(tmp_path):
    for name in ('a.mp4', 'b.mp4', 'bare'):
        write_mp4(tmp_path / 'made.mp4', seed=len(name) + ord(name[0]))
        (tmp_path / 'made.mp4').rename(tmp_path / name)
    (tmp_path / 'list.txt').write_text('a 0\nb.mp4 0\nbare 0\nnone 0\n')
    for more in ((), ('--no-decode',)):
        args = ('--videos', '.', '--report', 'r.json', '--skip-list', 's.txt', *more)
        assert run('list.txt', *args, cwd=tmp_path).returncode == 1
        problems = json.loads((tmp_path / 'r.json').read_text())['problems']
        assert [p['path'] for p in problems if p['severity'] == 'error'] == ['none']
        assert list(read_skip_list(tmp_path / 's.txt')) == ['none']


def test_wrong_indices_are_in_the_report(tmp_path):
    (tmp_path / 'list.txt').write_text('a.mp4 1\nb.mp4 3\n')
    (tmp_path / 'labels.txt').write_text('\n'.join(LABELS))
    args = ('--videos', '.', '--labels', 'labels.txt', '--report', 'r.json', '--no-decode')
    done = run('list.txt', *args, cwd=tmp_path)
    assert done.returncode == 1
    (problem,) = json.loads((tmp_path / 'r.json').read_text())['problems']
    assert problem['kind'] == 'list' and 'line 2: 3 (b.mp4)' in problem['detail']


@pytest.mark.parametrize(
    ('args', 'status', 'message'),
    [
        (('list.txt',), 2, 'give the folder of its videos'),
        (('list.txt', '--videos', '.', '--videos', '.'), 2, '2 folders given by --videos'),
        (('list.txt', '--videos', '.', '--labels', 'none.txt'), 2, 'no label file'),
        (('list.txt', '--videos', '.', '--workers', '0'), 2, 'is not an integer from 1'),
    ],
)
def test_user_errors(args, status, message, tmp_path):
    (tmp_path / 'list.txt').write_text('a.mp4 1\n')
    done = run(*args, cwd=tmp_path)
    assert done.returncode == status
    assert message in done.stderr and 'Traceback' not in done.stderr


def test_interrupted_check_goes_on_where_it_was(tmp_path):
    for index in range(3):
        write_mp4(tmp_path / f'{index}.mp4', seed=index)
    os.mkfifo(tmp_path / 'hung.mp4')
    (tmp_path / 'list.txt').write_text('0.mp4 0\n1.mp4 0\n2.mp4 0\nhung.mp4 0\n')
    command = [sys.executable, str(TOOL), 'list.txt', '--videos', '.', '--report', 'r.json']
    process = subprocess.Popen(
        [*command, '--workers', '1', '--limit-sec', '3'],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what it puts in the background with interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    journal = tmp_path / 'r.json.list.partial'
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if journal.is_file() and journal.read_text().count('\n') == 3:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and 'the same command continues' in err
    assert not (tmp_path / 'r.json').exists()
    before = journal.read_text()
    write_mp4(tmp_path / '1.mp4', num_frames=2, seed=9)  # changed since: must be read again
    (tmp_path / 'hung.mp4').unlink()
    paths = ['0.mp4', '1.mp4', '2.mp4']
    probes = probe_videos(tmp_path, paths, journal=journal, workers=1)
    assert [probe.num_frames for probe in probes] == [24, 2, 24]
    added = journal.read_text().removeprefix(before).splitlines()
    assert [json.loads(line)['path'] for line in added] == ['1.mp4']
