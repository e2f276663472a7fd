"""All four protocols end to end on real videos: killed, continued, reused, and what they report."""

import csv
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from projects.msta import compat

compat.apply()

from projects.msta.commands import run_protocol  # noqa: E402
from projects.msta.protocols.manifest import read_json  # noqa: E402
from projects.msta.training import launch  # noqa: E402
from tests.protocols.conftest import ROOT, read_report  # noqa: E402

_runs = itertools.count()


def by_test_tool(result_file: str) -> float:
    """What tools/test.py says of the config and checkpoint that a result names."""
    result = read_json(Path(result_file))
    return launch.test(
        result['config'],
        result['checkpoint'],
        work_dir=Path(result_file).parent / 'again',
        cfg_options={'experiment_name': f'again{next(_runs)}'},
    )['acc/top1']


@pytest.fixture(scope='module')
def base_to_novel(world, tmp_path_factory) -> Path:
    """The work folder of base-to-novel on two seeds, killed in the first and run again."""
    work_dir = tmp_path_factory.mktemp('base2novel')
    arguments = world.arguments('base2novel', work_dir, '--seeds', 1, 2)
    started = subprocess.Popen(
        [sys.executable, str(ROOT / 'tools' / 'run_protocol.py'), *arguments],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        cwd='/',
    )
    first = work_dir / 'runs' / 'small' / '16shot_seed1' / 'epoch_1.pth'
    deadline = time.monotonic() + 240
    while not first.exists() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert first.exists()
    assert not read_json(first.parent / 'manifest.json').get('finished')
    assert run_protocol.main(arguments) == 0
    return work_dir


def test_killed_run_is_continued_and_reported(world, base_to_novel):
    report = read_report(base_to_novel, 'base2novel')
    assert [run['interrupted'] for run in report['runs']] == [True, False]
    ours = report['rows'][0]['values']
    for seed in (0, 1):
        base, novel = ours['base']['values'][seed], ours['novel']['values'][seed]
        assert ours['HM']['values'][seed] == pytest.approx(2 * base * novel / (base + novel or 1))
    assert ours['base']['mean'] == pytest.approx(sum(ours['base']['values']) / 2)
    assert report['selection'] == 'last' and report['views'] == '2 x 1'


def test_reported_numbers_are_those_of_the_test_tool(world, base_to_novel):
    report = read_report(base_to_novel, 'base2novel')
    parts = report['runs'][0]['parts']
    assert parts['base']['top1'] == pytest.approx(by_test_tool(parts['base']['result']))
    assert parts['novel']['top1'] == pytest.approx(by_test_tool(parts['novel']['result']))
    frozen = sorted((base_to_novel / 'runs' / 'frozen').glob('shapes_base-*.json'))
    assert len(frozen) == 1
    assert report['frozen']['base']['top1'] == pytest.approx(by_test_tool(str(frozen[0])))


def test_each_part_is_tested_within_its_own_classes(world, base_to_novel):
    run = read_report(base_to_novel, 'base2novel')['runs'][0]
    for part in ('base', 'novel'):
        result = read_json(Path(run['parts'][part]['result']))
        names = (world.folder / f'labels_{part}.txt').read_text().splitlines()
        assert result['classes'] == names == [row['name'] for row in result['per_class']]
        assert run['parts'][part]['expected'] == 8
    assert (
        run['parts']['base']['checkpoint'] == run['parts']['novel']['checkpoint'] == 'epoch_2.pth'
    )


def test_manifest_says_what_the_run_was_made_from(world, base_to_novel):
    manifest = read_json(base_to_novel / 'runs' / 'small' / '16shot_seed2' / 'manifest.json')
    assert manifest['seed'] == 2 and manifest['views'] == '2 x 1' and manifest['finished']
    assert manifest['packages']['torch'] and manifest['packages']['mmaction2']
    assert len(manifest['foundation_fingerprint']) == 32
    assert set(manifest['identity']) >= {'train_list', 'labels', 'descriptions', 'foundation'}
    other = read_json(base_to_novel / 'runs' / 'small' / '16shot_seed1' / 'manifest.json')
    same = {key for key, value in manifest['identity'].items() if other['identity'][key] == value}
    assert set(manifest['identity']) - same == {'seed', 'train_list'}


def test_second_run_does_nothing_again(world, base_to_novel, capsys):
    def state() -> dict:
        files = [*base_to_novel.rglob('*.pth'), *base_to_novel.glob('runs/*/*/tests/*.json')]
        return {path: path.stat().st_mtime_ns for path in files}

    before = state()
    assert run_protocol.main(world.arguments('base2novel', base_to_novel, '--seeds', 1, 2)) == 0
    said = capsys.readouterr().out
    assert said.count('trained before') == 2 and 'tested before' in said
    assert state() == before


def test_run_made_from_other_data_is_refused(world, base_to_novel, tmp_path, capsys):
    other = tmp_path / 'other'
    shutil.copytree(world.folder, other)
    lines = (other / 'base_train_16shot_seed1.txt').read_text().splitlines()
    (other / 'base_train_16shot_seed1.txt').write_text('\n'.join(lines[:-1]) + '\n')
    arguments = world.arguments('base2novel', base_to_novel, '--data', other, '--seeds', 1)
    assert run_protocol.main(arguments) == 2
    said = capsys.readouterr()
    assert 'train_list' in said.err and '--overwrite' in said.err


def test_few_shot_with_the_best_epoch_names_the_selection(world, tmp_path):
    arguments = world.arguments('few_shot', tmp_path, '--shots', 2, '--seeds', 1)
    assert run_protocol.main([*arguments, '--select', 'best']) == 0
    report = read_report(tmp_path, 'few_shot')
    assert report['selection'] == 'best'
    assert report['runs'][0]['parts']['test']['checkpoint'].startswith('best_acc_top1_epoch_')
    (page,) = tmp_path.glob('few_shot-*/report.md')
    assert 'ON THE TEST VIDEOS' in page.read_text()
    assert list(report['rows'][0]['values']) == ['2-shot']
    assert report['runs'][0]['parts']['test']['classes'] == 8


def test_zero_shot_tests_classes_not_trained_on_two_runs_side_by_side(world, tmp_path):
    arguments = world.arguments('zero_shot', tmp_path, '--seeds', 1, 2, '--jobs', 2)
    assert run_protocol.main(arguments) == 0
    report = read_report(tmp_path, 'zero_shot')
    assert [run['identity']['seed'] for run in report['runs']] == [1, 2]
    assert list(report['rows'][0]['values']) == ['novel', 'plain novel']
    names = {path.name for path in tmp_path.glob('zero_shot-*/*.png')}
    assert names == {f'{kind}_{part}.png' for kind in ('gain', 'confusion') for part in _PARTS}
    (table,) = tmp_path.glob('zero_shot-*/per_class.csv')
    rows = list(csv.DictReader(table.open(encoding='utf-8')))
    assert [row['test'] for row in rows] == ['novel'] * 4 + ['plain_novel'] * 4
    for row in rows:
        gain = float(row['trained']) - float(row['frozen'])
        assert row['videos'] == '2' and float(row['gain']) == pytest.approx(gain)


_PARTS = ('novel', 'plain_novel')


def test_supervised_by_two_processes_keeps_the_batch(world, tmp_path):
    arguments = world.arguments('supervised', tmp_path, '--gpus', 2, '--port', 29731)
    assert run_protocol.main(arguments) == 0
    report = read_report(tmp_path, 'supervised')
    assert report['runs'][0]['identity']['batch'] == 4
    part = report['runs'][0]['parts']['test']
    assert part['expected'] == 16
    assert part['top1'] == pytest.approx(by_test_tool(part['result']))
