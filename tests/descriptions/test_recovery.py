"""Runs that are killed lose nothing that was answered, and end in the same bytes."""

import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from projects.msta.descriptions.cache import Cache, Row
from projects.msta.descriptions.schema import DescriptionError
from tests.descriptions.conftest import ROOT, start_tool

KILLS = 3


def answered(cache):
    """The requests with an answer on disk, as (class, attempt)."""
    if not cache.is_file():
        return set()
    with sqlite3.connect(cache, timeout=30) as database:
        try:
            return set(database.execute('SELECT label, attempt FROM answers'))
        except sqlite3.OperationalError:  # killed before the tables were made
            return set()


def finish(process):
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stdout + stderr


def test_killed_runs_continue_and_end_in_the_same_bytes(server, tmp_path):
    server.behaviour.content_faults = 0.2
    server.behaviour.latency_sec = 0.05
    whole, broken = tmp_path / 'whole.json', tmp_path / 'broken.json'
    options = ('--concurrency', '16')
    finish(start_tool(server.url, 'hmdb51', whole, *options))
    needed = len(server.outcomes())

    draw = random.Random(5)
    cache = tmp_path / 'broken.cache.sqlite'
    kept: set = set()
    for _ in range(KILLS):
        server.forget()
        process = start_tool(server.url, 'hmdb51', broken, *options)
        # A moment after the first answers of this run, at most while the file is written.
        target = draw.randrange(1, 16)
        while len(server.outcomes()) < target and process.poll() is None:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        repeated = {entry['name'] for entry in server.log if not entry['correction']}
        assert not repeated & {name.lower() for name, attempt in kept}
        assert answered(cache) >= kept
        kept = answered(cache)
        assert not broken.exists()
    assert kept
    server.forget()
    finish(start_tool(server.url, 'hmdb51', broken, *options))
    assert len(server.outcomes()) == needed - len(kept)
    assert broken.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        'whole.json', 'whole.cache.sqlite', '.whole.json.lock',
        'broken.json', 'broken.cache.sqlite', '.broken.json.lock',
    }  # fmt: skip


def test_the_file_depends_on_the_answers_alone(server, tmp_path):
    """Neither the order of arrival nor concurrency nor Python's hash seed changes a byte."""
    server.behaviour.latency_sec = 0.01
    files = []
    for index, concurrency in enumerate((1, 16)):
        out = tmp_path / f'{index}' / 'out.json'
        out.parent.mkdir()
        seed = {'PYTHONHASHSEED': str(index)}
        finish(start_tool(server.url, 'hmdb51', out, '--concurrency', concurrency, **seed))
        files.append(out.read_bytes())
    assert files[0] == files[1]


def row(key='k', attempt=0, content='text'):
    return Row(
        key=key, attempt=attempt, label='run', model='m', prompt_version='1', parameters='{}',
        endpoint='http://x', content=content, finish_reason='stop', prompt_tokens=1,
        completion_tokens=2, seconds=0.5, created='2020-01-01T00:00:00Z',
    )  # fmt: skip


def test_a_full_disk_is_one_line_and_costs_nothing_twice(server, tmp_path):
    out = tmp_path / 'out.json'
    limit = 30_000  # bytes a file may have: room for the tables and some of the answers
    process = start_tool(
        server.url, 'hmdb51', out, '--concurrency', '2',
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2
    assert stderr.splitlines()[-1].startswith('error: ')
    assert 'free some disk space' in stderr
    assert 'Traceback' not in stderr
    kept = answered(tmp_path / 'out.cache.sqlite')
    assert 0 < len(kept) < 51
    server.forget()
    finish(start_tool(server.url, 'hmdb51', out))
    assert len(server.outcomes()) == 51 - len(kept)


class TestCache:
    def test_answers_come_back_in_order_and_stay_as_they_are(self, tmp_path):
        path = tmp_path / 'folder' / 'c.sqlite'
        with Cache(path) as cache:
            cache.store([row(attempt=1), row(attempt=0), row('other')])
            cache.store([row(content='changed')])
        with Cache(path) as cache:
            found = cache.answers(['k', 'none'])
            assert found == {'k': [row(attempt=0), row(attempt=1)], 'none': []}
            cache.forget(['k'])
            assert cache.answers(['k', 'other']) == {'k': [], 'other': [row('other')]}

    def test_other_files_are_left_alone(self, tmp_path):
        path = tmp_path / 'c.sqlite'
        path.write_bytes(b'something else entirely, long enough to be looked at' * 10)
        before = path.read_bytes()
        with pytest.raises(DescriptionError, match='as the cache of answers'):
            Cache(path)
        assert path.read_bytes() == before
        with pytest.raises(DescriptionError, match='as the cache of answers'):
            Cache(tmp_path)

    def test_a_cache_of_another_version_is_refused(self, tmp_path):
        path = tmp_path / 'c.sqlite'
        Cache(path).close()
        with sqlite3.connect(path) as database:
            database.execute('PRAGMA user_version = 99')
        with pytest.raises(DescriptionError, match='another version'):
            Cache(path)

    def test_two_processes_may_share_it(self, server, tmp_path):
        cache = tmp_path / 'shared.sqlite'
        processes = [
            start_tool(server.url, labels, tmp_path / f'{labels}.json', '--cache', cache)
            for labels in ('hmdb51_base', 'hmdb51_novel')
        ]
        for process in processes:
            finish(process)
        assert len(answered(cache)) == 51


def test_a_write_that_is_killed_leaves_the_old_file(tmp_path):
    """The file is replaced by renaming: a process that dies in between changes nothing."""
    out = tmp_path / 'out.json'
    out.write_text('old', encoding='utf-8')
    code = (
        'import os, signal, sys; from pathlib import Path; '
        'from projects.msta.files import replacing\n'
        f'with replacing(Path({str(out)!r})) as temporary:\n'
        '    temporary.write_text("half")\n'
        '    os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    status = subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode
    assert status == -signal.SIGKILL
    assert out.read_text(encoding='utf-8') == 'old'
