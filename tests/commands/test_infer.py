"""tools/infer.py and tools/calibrate.py as a user runs them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.videos import write_mp4

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize('tool', ['infer.py', 'calibrate.py', 'export.py', 'checkpoint.py'])
def test_help_loads_no_torch(tool):
    command = [sys.executable, '-X', 'importtime', ROOT / 'tools' / tool, '--help']
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and 'usage:' in done.stdout
    imported = {line.split('|')[-1].strip() for line in done.stderr.splitlines()}
    assert 'argparse' in imported and not imported & {'torch', 'numpy', 'mmengine'}


def test_a_pipe_gets_json_and_failures_are_named(run, tiny, tmp_path):
    model = ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    given = [tiny / 'videos' / 'clip 0.mp4', tmp_path / 'gone.mp4']
    status, out, _ = run('infer.py', *given, *model, '--labels', 'red, green', '--topk', 1)
    assert status == 1
    good, bad = json.loads(out)
    assert good['label'] in ('red', 'green') and len(good['topk']) == 1
    assert 'gone.mp4: file not found' in bad['error']


def test_a_terminal_gets_a_table(run, tiny, tmp_path, capsys, monkeypatch):
    given = [tiny / 'videos', '--checkpoint', tiny / 'foundation.safetensors']
    given += ['--labels', 'red,green', '--out', tmp_path / 'results.csv']
    status, text, _ = run('infer.py', *given)
    assert status == 0
    lines = text.splitlines()
    assert lines[0].split() == ['video', 'label', 'probability', 'cosine', 'logit']
    assert len(lines) == 1 + 5 * 2
    rows = list(csv.DictReader((tmp_path / 'results.csv').open()))
    assert len(rows) == 10 and {row['label'] for row in rows} == {'red', 'green'}
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True, raising=False)
    assert run('infer.py', *given[:-2])[1] == text


def test_a_long_video_gives_segments_a_copy_and_a_plot(run, tiny, tmp_path):
    video = write_mp4(tmp_path / 'long.mp4', num_frames=80)
    model = ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    outputs = ['--video-out', tmp_path / 'a.mp4', '--plot-out', tmp_path / 'p.png']
    status, out, _ = run('infer.py', video, *model, '--window', 2, *outputs)
    assert status == 0
    (timeline,) = json.loads(out)
    assert timeline['duration_sec'] == pytest.approx(8) and len(timeline['windows']) == 7
    assert (tmp_path / 'a.mp4').stat().st_size > 1000 and (tmp_path / 'p.png').is_file()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['x.mp4', '--out', 'a.txt'], 'must end in .json or .csv'),
        (['x.mp4', '--out', 'no/such/folder/a.json'], 'does not exist'),
        (['x.mp4', 'y.mp4', '--video-out', 'a.mp4'], 'one video file'),
        (['x.mp4', '--config', 'no_such'], 'presets are'),
        (['x.mp4', '--checkpoint', 'gone.pth'], 'no checkpoint gone.pth'),
    ],
)
def test_mistakes_are_explained_in_a_line(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, error = run('infer.py', *arguments)
    assert status == 2
    assert message in error and 'Traceback' not in error
    assert list(tmp_path.iterdir()) == []


def test_a_calibrated_rule_is_used(run, tiny, tmp_path):
    model = ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    rule = tmp_path / 'rule.json'
    given = [tiny / 'test.txt', '--data-root', tiny / 'videos', '--keep', '0.6']
    status, out, _ = run('calibrate.py', *given, *model, '--out', rule)
    assert status == 0
    assert 'on 5 videos' in out and '60.0%' in out
    _, out, _ = run('infer.py', tiny / 'videos', *model, '--none-of-these', rule)
    answers = [result['label'] for result in json.loads(out)]
    assert answers.count('none of these') == 2
