"""tools/adapt.py on clips that have two labels each: which shape moves, and how it moves."""

import json

import numpy as np
import pytest

from projects.msta.commands.adapt import main
from projects.msta.datasets.shapes.classes import Action
from projects.msta.datasets.shapes.folder import write_video
from projects.msta.datasets.shapes.render import render
from projects.msta.datasets.shapes.scenes import DOMAINS

FAST = ('--epochs', '1', '--rate', '0.01', '--workers', '1', '--held-out', '0.15')
NAMES = ['a ring', 'a square', 'moving left', 'moving up']


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """A CSV of 48 clips: as few as leave eight to choose a threshold by."""
    root, rows = tmp_path_factory.mktemp('several'), ['path,labels']
    for number in range(48):
        shape, motion = ('ring', 'square')[number % 2], ('left', 'up')[number // 2 % 2]
        rng = np.random.default_rng(number)
        frames, _ = render(Action(motion, shape), DOMAINS['plain'], rng, num_frames=8)
        write_video(root / f'{number}.mp4', frames)
        rows.append(f'{number}.mp4,a {shape}|moving {motion}')
    (root / 'list.csv').write_text('\n'.join(rows))
    return root / 'list.csv'


@pytest.fixture(scope='module')
def made(videos, tmp_path_factory):
    """The folder that the tool writes of them."""
    out = tmp_path_factory.mktemp('out') / 'adapted'
    assert main([str(videos), '--out', str(out), *FAST]) == 0
    return out


def test_each_class_is_measured_for_itself(made):
    results = json.loads((made / 'results.json').read_text())
    assert results['classes'] == NAMES
    assert [row['name'] for row in results['per_class']] == NAMES
    precisions = [row['adapted'] for row in results['per_class']]
    assert results['headline']['adapted']['value'] == pytest.approx(100 * np.mean(precisions))
    assert 0 < results['threshold'] < 1 and set(results['trials'][0]) == {
        'rate', 'mean average precision', 'loss',
    }  # fmt: skip
    assert 'may have several classes (column labels; 2.0' in ' '.join(results['remarks'])
    page = (made / 'report.html').read_text()
    assert 'mean average precision on' in page and 'precision / recall' in page


def test_its_config_is_taken_by_the_test_tool(made, capsys):
    from projects.msta.training.launch import test

    metrics = test(made / 'config.py', made / 'adapters.pth')
    said = capsys.readouterr().out.split('average precision (videos):')[1].splitlines()
    assert [line.split(':')[0].strip() for line in said[1:5]] == NAMES
    results = json.loads((made / 'results.json').read_text())
    assert 100 * metrics['acc/mAP'] == pytest.approx(
        results['headline']['adapted']['value'], abs=0.01
    )


def test_labels_over_the_threshold_are_shown(made, videos, run):
    model = ('--config', made / 'config.py', '--checkpoint', made / 'adapters.pth')
    clip = videos.parent / '0.mp4'
    threshold = json.loads((made / 'results.json').read_text())['threshold']
    status, out, _ = run('infer.py', clip, '--topk', 4, *model)
    (found,) = json.loads(out)
    over = [row['label'] for row in found['topk'] if row['probability'] >= threshold]
    assert status == 0 and found['shown'] == over
    assert found['label'] == ('|'.join(over) or 'none of these')
    # The file alone knows that several labels are meant, its bias and its threshold.
    _, out, _ = run('infer.py', clip, '--topk', 4, '--checkpoint', made / 'adapters.pth')
    (alone,) = json.loads(out)
    assert alone['shown'] == pytest.approx(found['shown'])
    _, out, _ = run('infer.py', clip, '--topk', 1, '--threshold', '0.0001', *model)
    assert len(json.loads(out)[0]['shown']) == 4
    _, out, _ = run('infer.py', clip, '--threshold', '0.9999', *model)
    assert json.loads(out)[0]['label'] == 'none of these'


def test_one_label_and_several_are_not_mixed(made, videos, tmp_path, capsys):
    one = tmp_path / 'one.csv'
    rows = videos.read_text().replace('labels', 'label').replace('|', ' and ')
    one.write_text(rows)
    more = ('--root', str(videos.parent), '--out', str(tmp_path / 'out'), '--start', str(made))
    assert main([str(one), *more, *FAST]) == 2
    assert 'with the column labels' in capsys.readouterr().err


def test_a_threshold_of_one_label_is_one_line(tiny, run):
    model = ('--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth')
    status, _, error = run('infer.py', tiny / 'videos', '--threshold', '0.5', *model)
    assert status == 2 and 'gives a video one label' in error and 'Traceback' not in error
