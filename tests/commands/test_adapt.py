"""tools/adapt.py on a small, uneven, partly broken folder: it ends, continues, and says so."""

import json
import re

import pytest

from projects.msta.commands.adapt import main
from tests.videos import write_mp4

FAST = ('--epochs', '1', '--rate', '0.01', '--workers', '1')


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Three classes of 13, 2 and 1 clips, of odd names too, and two files that are no videos."""
    root = tmp_path_factory.mktemp('mine')
    seeds = iter(range(100))
    for name, count in (('Pan_Left', 13), ('🏀 dunk', 2), ('öffnen', 1)):
        (root / name).mkdir()
        for number in range(count):
            write_mp4(root / name / f'clip {number}.mp4', 12, seed=next(seeds))
    (root / 'Pan_Left' / 'clip 1.mp4').rename(root / 'Pan_Left' / 'clip \udce9.mp4')  # not UTF-8
    (root / 'Pan_Left' / 'broken.mp4').write_text('not a video')
    (root / 'Pan_Left' / 'two\nlines.mp4').write_text('in no list')
    return root


@pytest.fixture(scope='module')
def made(videos, tmp_path_factory):
    """The folder that the tool writes of them."""
    out = tmp_path_factory.mktemp('out') / 'adapted'
    assert main([str(videos), '--out', str(out), *FAST]) == 0
    return out


def test_everything_is_written(made):
    for name in ('config.py', 'adapters.pth', 'labels.txt', 'train.txt', 'test.txt'):
        assert (made / name).stat().st_size
    results = json.loads((made / 'results.json').read_text())
    assert results['classes'] == ['pan left', 'öffnen', '🏀 dunk']
    left_out = {item['path']: item['why'] for item in results['left_out']}
    assert set(left_out) == {'Pan_Left/broken.mp4', 'Pan_Left/two\nlines.mp4'}
    assert left_out['Pan_Left/two\nlines.mp4'] == 'a line break in it; rename it'
    assert results['choices']['flip']['value'] is False  # pan left
    assert results['choices']['balanced']['value'] is True
    assert set(results['headline']) == {'frozen', 'adapted', 'gain'}
    held = {tuple(clip['labels']) for clip in results['clips']}
    assert held == {('pan left',), ('🏀 dunk',)}  # a single clip is trained on
    remarks = ' '.join(results['remarks'])
    assert 'öffnen' in remarks and 'between 1 and 13 clips' in remarks
    page = (made / 'report.html').read_text()
    assert 'Pan_Left/broken.mp4' in page and '🏀 dunk' in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # self-contained


def test_the_same_call_again_trains_nothing(made, videos, capsys):
    before = (made / 'adapters.pth').stat().st_mtime_ns
    assert main([str(videos), '--out', str(made), *FAST]) == 0
    assert (made / 'adapters.pth').stat().st_mtime_ns == before
    printed = capsys.readouterr().out
    assert 'left out: Pan_Left/broken.mp4' in printed and 'tools/infer.py VIDEO' in printed


def test_other_settings_are_refused(made, videos, capsys):
    assert main([str(videos), '--out', str(made), '--seed', '5', *FAST]) == 2
    assert 'made with other settings (seed)' in capsys.readouterr().err


def test_its_config_is_taken_by_the_test_tool(made, capsys):
    from projects.msta.training.launch import test

    metrics = test(made / 'config.py', made / 'adapters.pth')
    assert list((made / 'runs').rglob('*.log'))  # its own, not one of every file called config.py
    results = json.loads((made / 'results.json').read_text())
    value = results['headline']['adapted']['value']
    top1 = next(v for k, v in metrics.items() if k.endswith('top1'))
    assert 100 * top1 == pytest.approx(value, abs=0.01)


def test_classes_are_added_later(made, tmp_path, capsys):
    more = tmp_path / 'more'
    (more / 'waving').mkdir(parents=True)
    (more / 'Pan_Left').mkdir()
    for number in range(4):
        write_mp4(more / 'waving' / f'{number}.mp4', 12, seed=200 + number)
    write_mp4(more / 'Pan_Left' / 'new.mp4', 12, seed=300)
    out = tmp_path / 'grown'
    assert main([str(more), '--out', str(out), '--start', str(made), *FAST]) == 0
    results = json.loads((out / 'results.json').read_text())
    assert results['classes'] == ['pan left', 'öffnen', '🏀 dunk', 'waving']
    assert [part['name'] for part in results['parts']] == ['known before', 'new']
    old = json.loads((made / 'split.json').read_text())
    new = json.loads((out / 'split.json').read_text())
    assert all(new[path]['side'] == entry['side'] for path, entry in old.items())


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['/not/here'], 'no such folder or list'),
        (['{videos}', '--held-out', '1.5'], 'must lie between 0 and 1'),
        (['{videos}', '--seed', '-1'], 'seed=-1 must lie in 0..4294967295'),
        (['{videos}', '--batch', '0'], 'batch=0 must be 1 or more'),
        (['{videos}', '--rate', 'nan'], 'learning rate nan must be a positive number'),
        (['{videos}', '--blocks', '3', '9'], 'blocks 3 to 9 must lie in 1 to 4'),
        (['{videos}', '--descriptions', '/no/d.json'], '/no/d.json'),
        (['{videos}', '--out', '{videos}/new'], 'lies among the videos'),
        (['{videos}', '--foundation', '/no/weights.pth'], '/no/weights.pth'),
        (['{videos}', '--start', '{videos}'], 'not a folder that tools/adapt.py has finished'),
    ],
)
def test_bad_input_is_one_line(videos, tmp_path, capsys, arguments, words):
    given = [text.replace('{videos}', str(videos)) for text in arguments]
    assert main(['--out', str(tmp_path / 'out'), *FAST, *given]) == 2
    printed = capsys.readouterr()
    assert words in printed.err and 'Traceback' not in printed.err
    assert not printed.out and not (tmp_path / 'out').exists()  # before the videos are read
