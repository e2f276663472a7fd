"""Description files and the cache of answers: broken, held by others, or without room."""

import json
import os
import re
import resource
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import openai  # noqa: F401 - once here, not in each fork
import pytest

from projects.msta.commands import gen_descriptions
from projects.msta.commands import train as train_tool
from projects.msta.descriptions import Descriptions, cache, write_descriptions
from tests.chaos.processes import Course, in_child
from tests.descriptions.conftest import KEY, start_tool
from tests.descriptions.server import LanguageModelServer
from tests.descriptions.test_recovery import answered

CLASSES = ['abseiling', 'air drumming', 'ApplyEyeMakeup', 'baking cookies']


@pytest.fixture
def server():
    with LanguageModelServer() as running:
        yield running


@pytest.fixture
def run(tmp_path, server, monkeypatch):
    """Run the tool in a fork that permissions bind; give its ending and what it printed."""
    monkeypatch.setenv('OPENAI_API_KEY', KEY)
    labels = tmp_path / 'labels.txt'
    labels.write_text('\n'.join(CLASSES))
    usual = ['--labels', labels, '--out', tmp_path / 'out.json', '--model', 'writer',
             '--base-url', server.url]  # fmt: skip

    def call(*arguments: object, usual=usual, before: Callable[[], object] = int):
        log = tmp_path / 'log'
        log.unlink(missing_ok=True)

        def task() -> int:
            before()
            return gen_descriptions.main([str(argument) for argument in [*usual, *arguments]])

        return in_child(task, log, 60), log.read_text()

    return call


def one_line(ending: str, printed: str) -> str:
    assert ending == 'status 2', printed
    assert 'Traceback' not in printed
    return re.findall(r'^error: .*', printed, re.M)[-1]


def _sqlite(*statements: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return write


def _ours(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """A cache of ours with some answers, and then a change to it."""

    def write(path: Path) -> None:
        with cache.Cache(path) as made:
            row = cache.Row('k', 0, 'run', 'm', '1', '{}', 'http://x', 'text' * 500, 'stop', 1, 2,
                            0.5, '2020-01-01T00:00:00Z')  # fmt: skip
            made.store([cache.Row(**{**vars(row), 'key': f'k{i}'}) for i in range(50)])
        change(path)

    return write


def _damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:12288] = os.urandom(8192)
    path.write_bytes(data)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


_CACHE = 'of answers: '
CACHES: dict[str, tuple[Callable[[Path], object], str]] = {
    'damaged': (_ours(_damage), 'it is damaged, or something else: restore a copy'),
    'cut off': (_ours(_truncate), 'it is damaged, or something else: restore a copy'),
    'text': (lambda path: path.write_text('no database ' * 100), 'it is damaged, or something'),
    'a folder': (lambda path: path.mkdir(), 'unable to open database file; give another file'),
    'read-only': (_ours(lambda path: path.chmod(0o444)), 'readonly database; make it and its'),
    'no permission': (_ours(lambda path: path.chmod(0)), 'readonly database; make it and its'),
    'of a newer version': (_ours(_sqlite('PRAGMA user_version = 7')), 'form 7, here 1'),
    "another program's": (_sqlite('CREATE TABLE notes (text)'), 'another program .it has notes'),
    "another program's, numbered alike": (
        _sqlite('CREATE TABLE notes (text)', 'PRAGMA user_version = 1'),
        'another program .it has notes',
    ),
}


@pytest.mark.parametrize('kind', CACHES)
def test_broken_caches(kind, chaos, run, server, tmp_path):
    write, expected = CACHES[kind]
    path = tmp_path / 'out.cache.sqlite'
    write(path)
    before = path.read_bytes() if path.is_file() else None
    with chaos.attempt('broken cache of answers', 'a line with the file and a remedy; left as is'):
        error = one_line(*run())
        assert re.search(expected, error), error
        assert str(path) in error
        assert before is None or path.read_bytes() == before
        assert server.outcomes() == [] and not (tmp_path / 'out.json').exists()


def test_a_cache_that_another_process_keeps(chaos, run, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, '_PATIENCE_SEC', 0.3)
    path = tmp_path / 'out.cache.sqlite'
    cache.Cache(path).close()
    with chaos.attempt('cache of answers kept by another process', 'a line that says so'):
        held = sqlite3.connect(path)
        held.execute('BEGIN EXCLUSIVE')
        error = one_line(*run())
        assert 'database is locked; another process has kept it for 0.3 s' in error
        held.close()
        assert run()[0] == 'status 0'


@pytest.mark.parametrize('room', [11_000, 30_000])
def test_no_room_for_answers_or_file(room, chaos, run, server, tmp_path):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    (tmp_path / 'out.json').write_text('old')
    with chaos.attempt('disk full under descriptions', 'a line; the old file and answers stay'):
        error = one_line(*run('--labels', 'hmdb51', before=limit))
        assert 'free some disk space' in error or 'File too large' in error
        assert (tmp_path / 'out.json').read_text() == 'old'
        assert not list(tmp_path.glob('*.tmp*')) and not list(tmp_path.glob('.*.tmp*'))
        kept = len(answered(tmp_path / 'out.cache.sqlite'))
        assert bool(kept) == (room > 11_000)
        server.forget()
        assert run('--labels', 'hmdb51')[0] == 'status 0'
        assert len(server.outcomes()) == 51 - kept  # what was stored is not asked again


def test_an_output_folder_that_may_not_be_written(chaos, run, server, tmp_path):
    folder = tmp_path / 'locked'
    folder.mkdir(mode=0o555)
    with chaos.attempt('output folder that is read-only', 'a line, before any request'):
        error = one_line(*run('--out', folder / 'out.json'))
        assert 'Permission denied' in error and str(folder) in error
        assert server.outcomes() == []


def test_two_runs_on_one_output(chaos, server, tmp_path):
    server.behaviour.latency_sec = 3.0  # the first is at work until the second has ended
    with chaos.attempt('two description runs on one file', 'the second names the first; status 2'):
        first = start_tool(server.url, 'hmdb51', tmp_path / 'out.json', '--concurrency', '4')
        deadline = time.monotonic() + 60
        while not server.outcomes() and time.monotonic() < deadline:
            time.sleep(0.02)
        second = start_tool(server.url, 'hmdb51', tmp_path / 'out.json')
        _, said = second.communicate(timeout=60)
        server.behaviour.latency_sec = 0.0
        assert second.returncode == 2 and 'Traceback' not in said
        assert f'has a run that writes out.json, started by process {first.pid}' in said
        assert 'give another --out' in said
        first.communicate(timeout=120)
        assert first.returncode == 0
        assert len(server.outcomes()) == 51  # nothing was asked twice
        assert len(json.loads((tmp_path / 'out.json').read_text())['classes']) == 51


def _good(path: Path) -> None:
    texts = [['one look', 'another']] * 3
    names = ['moving left', 'spinning', 'growing']
    write_descriptions(path, Descriptions(names=names, spatial=texts, temporal=texts))


def _changed(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _good(path)
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return write


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    'missing': (lambda path: None, 'no description file'),
    'empty': (lambda path: path.write_text(''), 'cannot be read as JSON'),
    'a folder': (lambda path: path.mkdir(), 'Is a directory'),
    'bytes': (lambda path: path.write_bytes(os.urandom(999)), 'cannot be read as JSON'),
    'UTF-16': (lambda path: path.write_bytes('{"a": 1}'.encode('utf-16')), 'cannot be read as'),
    'nested 100,000 deep': (lambda path: path.write_text('[' * 100_000), 'recursion'),
    'a list': (lambda path: path.write_text('[1, 2]'), '"format" is not'),
    'of a newer version': (
        _changed(lambda data: data.update(format='msta-descriptions-2')),
        'another version of this program .form msta-descriptions-2, here msta-descriptions-1',
    ),
    'a class missing': (_changed(lambda data: data['classes'].pop(1)), "lacks 1 .*'spinning'"),
    'a number for a text': (
        _changed(lambda data: data['classes'][1].update(spatial=[3])),
        r'classes.1.spatial.0: .*string',
    ),
    'an empty sentence': (
        _changed(lambda data: data['classes'][2].update(temporal=['a', ' '])),
        "class 2 'growing': temporal description 2 is empty",
    ),
}


def _cut(path: Path) -> None:
    _good(path)
    path.write_bytes(path.read_bytes()[:100])


FILES['cut off'] = (_cut, 'cannot be read as JSON')


@pytest.mark.parametrize('kind', FILES)
def test_broken_description_files(kind, chaos, run, experiment, tmp_path, capsys):
    write, expected = FILES[kind]
    path = tmp_path / 'd.json'
    write(path)
    with chaos.attempt('broken description files', 'a line with the file, the class and why'):
        given = ['--labels', experiment.folder / 'labels.txt', '--check', path]
        ending, printed = run(*given, usual=[])
        unusable = kind == 'an empty sentence'  # read, and found wanting
        assert ending == f'status {2 - unusable}' and 'Traceback' not in printed
        assert re.search(expected, printed), printed
        usual = [str(experiment.fixed), '--work-dir', str(tmp_path / 'work')]
        options = ['--cfg-options', f'model.descriptions={path}']
        if kind == 'of a newer version' or chaos.full:
            assert train_tool.main([*usual, *options]) == 2
            error = capsys.readouterr().err
            assert 'Traceback' not in error and re.search(expected, error), error


def test_memory_and_open_files_stay_flat_over_many_requests(chaos, tmp_path, server):
    count = chaos.times(200, 2000)
    labels = tmp_path / 'labels.txt'
    labels.write_text(''.join(f'action number {index}\n' for index in range(count)))
    process = start_tool(server.url, labels, tmp_path / 'out.json', '--concurrency', '8')
    course = Course((process.pid,))
    with chaos.attempt('memory and open files over description requests', times=count) as attempt:
        sampled = -1
        while process.poll() is None:
            done = len(server.log)
            if done // max(1, count // 40) != sampled and 0 < done < count:
                sampled = done // max(1, count // 40)
                course.sample()
            time.sleep(0.01)
        _, printed = process.communicate(timeout=60)
        assert process.returncode == 0, printed
        attempt.seen = f'{len(server.log)} requests: {course}'
        assert len(server.log) >= count
        # Every answer is kept once: 2,000 of them take a megabyte or two.
        assert course.growth_mib < 8, course
        assert course.more_files <= 4, course
