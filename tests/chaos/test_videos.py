"""Every kind of broken video, in every use: no crash, no hang, each one named and counted."""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from projects.msta.commands import check as check_tool
from projects.msta.commands import infer as infer_tool
from projects.msta.commands import test as test_tool
from projects.msta.commands import train as train_tool
from projects.msta.datasets import decoding
from projects.msta.datasets.decoding import REASONS, VideoDecodeError
from projects.msta.datasets.readers import IsolatedReader
from tests.chaos.processes import Course, in_child
from tests.datasets.test_readers import EXPECTED
from tests.videos import ODD_FILES, write_mp4

GOOD = 3
LIMIT_SEC = 6.0
HANG_SEC = 400.0
# kind of file -> the reason why it cannot be read, or '' if it can
FATES = {kind: fate if isinstance(fate, str) else '' for kind, fate in EXPECTED.items()}
FATES |= {'no permission': 'permission', 'missing': 'missing', 'a folder': 'not_a_file'}
FATES |= {'hung decode': 'timeout'}
FILES = {kind: name for kind, (name, _) in ODD_FILES.items()}
FILES |= {'missing': 'gone.mp4', 'a folder': 'folder.mp4', 'hung decode': 'hung.mp4'}


@dataclass
class Outcome:
    """What one use of all the files came to."""

    ending: str
    printed: str
    errors: dict[str, str] = field(default_factory=dict)  # file name -> what is said of it
    counted: int = 0


@pytest.fixture(scope='module')
def folder(experiment, tmp_path_factory) -> Path:
    """All kinds of broken files and some sound ones, a list of them, and a config."""
    root = tmp_path_factory.mktemp('broken')
    videos = root / 'videos'
    videos.mkdir()
    for name, write in ODD_FILES.values():
        write(videos / name)
    (videos / FILES['a folder']).mkdir()
    os.mkfifo(videos / FILES['hung decode'])
    sound = [f'sound{index}.mp4' for index in range(GOOD)]
    for index, name in enumerate(sound):
        write_mp4(videos / name, seed=index)
    lines = [f'{name} {index % 3}\n' for index, name in enumerate([*FILES.values(), *sound])]
    (root / 'list.txt').write_text(''.join(lines))
    text = experiment.fixed.read_text().replace(str(experiment.folder / 'videos'), str(videos))
    text = re.sub(r"[^']*/(test_)?list\.txt", str(root / 'list.txt'), text)
    text = text.replace("'MSTAVideoInit'", f"'MSTAVideoInit', limit_sec={LIMIT_SEC}")
    text = text.replace("dict(type='AccMetric')", "dict(type='MSTAMetric', out_file=report)")
    text += f"\nvideos['max_failed'] = {len(FATES)}\ntrain_cfg['max_epochs'] = 1\n"
    (root / 'config.py').write_text(f'report = {str(root / "metric.json")!r}\n' + text)
    return root


def _train(root: Path) -> int:
    usual = [str(root / 'config.py'), '--work-dir', str(root / 'work'), '--no-validate']
    return train_tool.main(usual)


def _test(root: Path) -> int:
    usual = [str(root / 'config.py'), 'none', '--work-dir', str(root / 'work')]
    return test_tool.main(usual)


def _infer(root: Path, *options: str) -> int:
    names = [line.rsplit(maxsplit=1)[0] for line in (root / 'list.txt').read_text().splitlines()]
    videos = [str(root / 'videos' / name) for name in names]
    usual = ['--config', str(root / 'config.py'), '--out', str(root / 'results.json')]
    return infer_tool.main([*videos, *usual, *options])


def _check(root: Path) -> int:
    usual = ['--videos', str(root / 'videos'), '--report', str(root / 'report.json')]
    limit = ['--limit-sec', str(LIMIT_SEC), '--workers', '2']
    return check_tool.main([str(root / 'list.txt'), *usual, *limit])


def _logged(root: Path, outcome: Outcome) -> None:
    """From the log: ``unreadable video PATH: REASON; ... (N failed ...)``."""
    found = re.findall(r'unreadable video (\S+): (.*?); .*\((\d+) failed', outcome.printed)
    names = [Path(path).name for path, _, _ in found]
    assert len(names) == len(set(names)), 'one is named twice'
    outcome.errors = {name: said for name, (_, said, _) in zip(names, found, strict=True)}
    outcome.counted = max(int(count) for _, _, count in found)


def _measured(root: Path, outcome: Outcome) -> None:
    report = json.loads((root / 'metric.json').read_text())
    outcome.errors = {item['video']: REASONS[item['reason']] for item in report['failed']}
    values = report['values']
    assert values['decoded'] + values['failed'] == values['expected'] == len(FATES) + GOOD
    outcome.counted = values['failed']


def _inferred(root: Path, outcome: Outcome) -> None:
    results = json.loads((root / 'results.json').read_text())
    assert len(results) == len(FATES) + GOOD
    failed = {Path(item['video']).name: item['error'] for item in results if 'error' in item}
    outcome.errors, outcome.counted = failed, len(failed)


def _checked(root: Path, outcome: Outcome) -> None:
    report = json.loads((root / 'report.json').read_text())
    problems = [item for item in report['problems'] if item['severity'] == 'error']
    outcome.errors = {item['path']: item['detail'] for item in problems}
    outcome.counted = report['lists']['list']['failed']


USES = {
    'training': (_train, 'status 0', _logged),
    'testing': (_test, 'status 0', _measured),
    'inference': (_infer, 'status 1', _inferred),
    'inference, long': (lambda root: _infer(root, '--window', '1'), 'status 1', _inferred),
    'check': (_check, 'status 1', _checked),
}
SEEN = {
    'training': 'a line with path, reason and count; another video takes its place',
    'testing': 'a line each, in the report expected = decoded + failed; counts as wrong',
    'inference': 'the others are answered; `error` with path and reason; status 1',
    'inference, long': 'the others are answered; `error` with path and reason; status 1',
    'check': 'an error with path and reason, in the report and the skip list; status 1',
}


@pytest.fixture(scope='module')
def outcomes(folder):
    """Each use once, on all files together: one broken file must not take others with it."""
    made: dict[str, Outcome] = {}

    def get(use: str) -> Outcome:
        if use not in made:
            task, _, read = USES[use]
            log = folder / f'{use}.log'
            ending = in_child(lambda: task(folder), log, HANG_SEC)
            made[use] = Outcome(ending, log.read_text(errors='replace'))
            if ending.startswith('status'):
                read(folder, made[use])
        return made[use]

    return get


@pytest.mark.parametrize('use', USES)
@pytest.mark.parametrize('kind', FATES)
def test_broken_videos(kind, use, outcomes, chaos):
    with chaos.attempt(f'broken videos ({len(FATES)} kinds): {use}', SEEN[use]):
        outcome = outcomes(use)
        assert outcome.ending == USES[use][1], outcome.printed[-3000:]
        assert 'Traceback' not in outcome.printed
        assert '\x00' not in outcome.printed  # no decoder's bytes on the terminal
        said = outcome.errors.get(FILES[kind], '')
        assert bool(said) == bool(FATES[kind]), said
        if use in ('training', 'testing', 'check') and said:
            assert REASONS[FATES[kind]] in said
        if use.startswith('inference') and said:
            assert FILES[kind] in said
        assert outcome.counted == len(outcome.errors)


def test_memory_and_open_files_stay_flat_over_many_decodes(chaos, folder):
    count = chaos.times(300, 5000)
    kinds = [kind for kind in FATES if kind not in ('4K', 'hung decode', 'missing', 'a folder')]
    paths = [folder / 'videos' / FILES[kind] for kind in kinds] + [
        folder / 'videos' / f'sound{index}.mp4' for index in range(GOOD)
    ]
    process = decoding.current_process()
    course = Course((os.getpid(), process._process.pid))
    with chaos.attempt('memory and open files over decodes', times=count) as attempt:
        failed = 0
        for index in range(count):
            try:
                reader = IsolatedReader(str(paths[index % len(paths)]), 20.0)
                last = len(reader) - 1
                reader.get_batch([0, last // 2, last]).asnumpy()
            except VideoDecodeError:
                failed += 1
            if index % max(1, count // 40) == 0:
                course.sample()
        assert decoding.current_process() is process  # nothing crashed it
        attempt.seen = f'{count} decodes, {failed} failed: {course}'
        assert failed > count // 5
        assert course.growth_mib < 8, course
        assert course.more_files <= 0, course
