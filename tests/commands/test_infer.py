"""tools/infer.py and tools/calibrate.py as a user runs them."""

import csv
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from projects.msta.commands.model_arguments import parse_labels
from projects.msta.tokenizer import PromptWarning
from tests.models.conftest import LABELS
from tests.videos import write_mp4

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    'tool',
    ['infer.py', 'calibrate.py', 'export.py', 'checkpoint.py', 'visualize.py', 'demo_app.py'],
)
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
        (['rtsp://x', '--min-segment', '2'], 'is followed alone'),
        (['x.mp4', '--config', 'no_such'], 'presets are'),
        (['x.mp4', '--config', 'gone.pth'], 'foundation weights not found: gone.pth'),
        (['x.mp4', '--labels', ' , '], 'names no class'),
        (['x.mp4', '--labels', 'kinetics40'], "mean 'kinetics400'"),
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
    assert 'on 5 videos' in out and 'was not fitted to pass' in out
    _, out, _ = run('infer.py', tiny / 'videos', *model, '--none-of-these', rule)
    answers = [result['label'] for result in json.loads(out)]
    assert answers.count('none of these') == 2
    video = [tiny / 'videos' / 'clip 0.mp4', '--none-of-these', rule]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert run('infer.py', *video, *model)[0] == 0
    other = [*model[:3], tiny / 'adapters2.pth']
    with pytest.warns(UserWarning, match='calibrated with another model'):
        run('infer.py', *video, *other)
    with pytest.warns(UserWarning, match='calibrated with 4 other labels than these 2'):
        run('infer.py', *video, *model, '--labels', 'a,b')


def test_a_file_name_that_is_not_utf8_comes_back_as_it_was(run, tiny, tmp_path):
    """And the results of the others are written."""
    odd = os.fsencode(tmp_path / os.fsdecode(b'caf\xe9 1.mp4'))
    shutil.copy(os.fsencode(tiny / 'videos' / 'clip 0.mp4'), odd)
    shutil.copy(tiny / 'videos' / 'clip 1.mp4', tmp_path / 'line\nend.mp4')
    model = ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    given = [os.fsdecode(odd), tmp_path / 'line\nend.mp4', *model]
    for name in ('results.json', 'results.csv'):
        status, table, error = run('infer.py', *given, '--out', tmp_path / name)
        assert status == 0, error
        assert 'caf\\udce9' in table and 'line\\nend' in table
    named = json.loads((tmp_path / 'results.json').read_text(encoding='utf-8'))
    assert os.fsencode(named[0]['video']) == odd and named[1]['video'].endswith('line\nend.mp4')
    with (tmp_path / 'results.csv').open(encoding='utf-8', errors='surrogateescape') as file:
        rows = list(csv.DictReader(file))
    assert os.fsencode(rows[0]['video']) == odd
    status, _, error = run('infer.py', *given, '--window', 1, '--out', tmp_path / 'long.json')
    assert status == 0, error
    named = json.loads((tmp_path / 'long.json').read_text(encoding='utf-8'))
    assert os.fsencode(named[0]['video']) == odd


def test_one_label_is_a_label(run, tiny):
    given = [tiny / 'videos' / 'clip 0.mp4', '--checkpoint', tiny / 'foundation.safetensors']
    with pytest.warns(PromptWarning, match='one class') as seen:
        status, out, _ = run('infer.py', *given, '--labels', 'pan left')
    shown = warnings.formatwarning(seen[0].message, seen[0].category, seen[0].filename, 1)
    assert shown.startswith('warning: there is one class') and shown.count('\n') == 1
    assert status == 0
    assert json.loads(out)[0]['label'] == 'pan left'
    assert parse_labels('my/list.txt') == 'my/list.txt'
    assert parse_labels('kinetics400') == 'kinetics400'
    assert parse_labels('kinetics40,') == ['kinetics40']


def test_a_checkpoint_alone_is_enough(run, tiny, tmp_path):
    given = [tiny / 'videos' / 'clip 0.mp4', '--checkpoint', tiny / 'adapters.pth']
    given += ['--foundation', tiny / 'foundation.safetensors']
    status, out, error = run('infer.py', *given)
    assert status == 0, error
    assert {row['label'] for row in json.loads(out)[0]['topk']} == set(LABELS)
    for picture in ('attention', 'norms'):
        video = given[:1] if picture == 'attention' else []
        out = tmp_path / f'{picture}.png'
        assert run('visualize.py', picture, *video, *given[1:], '--out', out)[0] == 0
    status, out, _ = run('checkpoint.py', 'info', tiny / 'adapters.pth')
    assert f'labels       {len(LABELS)}: {", ".join(LABELS)}' in out


def test_a_damaged_checkpoint_is_not_taken_for_a_foundation(run, tiny, tmp_path):
    whole = (tiny / 'adapters.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(whole[: len(whole) // 2])
    given = [
        tiny / 'videos' / 'clip 0.mp4',
        '--checkpoint',
        tmp_path / 'cut.pth',
        '--labels',
        'a,b',
    ]
    status, _, error = run('infer.py', *given)
    assert status == 2 and 'cut.pth' in error and 'damaged' in error
    assert 'foundation' not in error


def test_a_useless_rule_comes_with_a_warning(run, tiny, tmp_path):
    model = ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    given = [tiny / 'videos', '--unknown', tiny / 'videos', *model]
    status, out, error = run('calibrate.py', *given, '--out', tmp_path / 'rule.json')
    assert status == 0
    assert 'ROC curve: 0.500' in out and 'no better than chance' in error
