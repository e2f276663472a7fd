"""The page under hostile visitors and many of them, through real HTTP."""

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.processes import memory_mib, open_files
from tests.videos import ODD_FILES, write_mp4

ROOT = Path(__file__).resolve().parents[2]
SECRET = 'not for visitors'

pytest.importorskip('gradio', reason='pip install -r requirements/app.txt')


@dataclass
class Page:
    """A page that is being served, and its temporary files."""

    address: str
    process: subprocess.Popen
    temporary: Path
    home: Path
    log: Path

    def fetch(self, path: str, body: bytes | None = None, kind: str = '') -> tuple[int, bytes]:
        headers = {'Content-Type': kind} if kind else {}
        request = urllib.request.Request(f'{self.address}{path}', body, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read(5_000_000)
        except urllib.error.HTTPError as error:
            return error.code, error.read(5_000_000)
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionError):  # refused before all of it was sent
                return 0, b'connection closed'
            raise

    def upload(self, name: str, content: bytes) -> tuple[int, str]:
        """Status and the path on the server, or what it said."""
        mark = uuid.uuid4().hex
        shown = name.replace('"', '%22')
        head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{shown}"\r\n\r\n'
        )
        body = head.encode('utf-8', 'surrogateescape') + content + f'\r\n--{mark}--\r\n'.encode()
        status, said = self.fetch(
            '/gradio_api/upload', body, f'multipart/form-data; boundary={mark}'
        )
        return status, json.loads(said)[0] if status == 200 else said.decode(errors='replace')

    def call(self, name: str, *data: object) -> tuple[str, object]:
        """The event that a function of the page ends with ('complete', 'error'), and its data."""
        body = json.dumps({'data': list(data)}).encode()
        status, said = self.fetch(f'/gradio_api/call/{name}', body, 'application/json')
        if status != 200:
            return f'HTTP {status}', said.decode(errors='replace')
        event = json.loads(said)['event_id']
        _, stream = self.fetch(f'/gradio_api/call/{name}/{event}')
        lines = stream.decode().strip().splitlines()
        final = max(index for index, line in enumerate(lines) if line.startswith('event:'))
        return lines[final].removeprefix('event: '), json.loads(lines[final + 1][6:] or 'null')

    def recognise(self, path: str, labels: str) -> tuple[str, object]:
        return self.call('recognise', file_data(path), labels)


def file_data(path: str, **more: object) -> dict:
    return {'path': path, 'meta': {'_type': 'gradio.FileData'}, **more}


@pytest.fixture(scope='module')
def page(experiment, chaos, tmp_path_factory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp('page')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    (folder / 'tmp').mkdir()
    (folder / 'home').mkdir()
    (folder / 'home' / 'secret.txt').write_text(SECRET)
    command = [sys.executable, ROOT / 'tools' / 'demo_app.py', '--port', str(port)]
    command += ['--config', experiment.fixed, '--max-mb', '1', '--max-seconds', '20']
    environment = {
        **os.environ,
        'TMPDIR': str(folder / 'tmp'),
        'HOME': str(folder / 'home'),
    }
    log = folder / 'log'
    with log.open('w') as out:
        server = subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, cwd=folder / 'home'
        )
    made = Page(f'http://127.0.0.1:{port}', server, folder / 'tmp', folder / 'home', log)
    try:
        for _ in range(360):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(made.address, timeout=5)
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
        yield made
        with chaos.attempt('page: temporary files after the end', 'none'):
            check_the_end(made)
    finally:
        server.kill()
        server.wait(120)


def check_the_end(page: Page) -> None:
    page.process.terminate()
    assert page.process.wait(120) == 0
    assert not list(page.temporary.glob('msta_*'))
    assert [path.name for path in page.home.iterdir() if path.is_file()] == ['secret.txt']
    # Gradio logs what it refuses as the exceptions that they are.
    log = page.log.read_text()
    raised = set(re.findall(r'^([\w.]+(?:Error|Exception))\b', log, re.M))
    assert raised <= {f'gradio.exceptions.{kind}' for kind in ('InvalidPathError', 'Error')}, log


@pytest.fixture(scope='module')
def uploaded(page, tmp_path_factory) -> str:
    video = write_mp4(tmp_path_factory.mktemp('mine') / 'mine.mp4', num_frames=30)
    status, path = page.upload('mine.mp4', video.read_bytes())
    assert status == 200
    return path


def test_a_visit(page, uploaded):
    event, data = page.recognise(uploaded, 'red, green')
    assert event == 'complete', data
    assert {item['label'] for item in data[0]['confidences']} == {'red', 'green'}


def beyond(page: Page) -> list[str]:
    """Paths that a visitor might like to read."""
    secret = str(page.home / 'secret.txt')
    examples = next(page.temporary.glob('msta_app_*')) / 'examples'
    return [
        secret,
        'secret.txt',
        './secret.txt',
        '/etc/passwd',
        '../../../../../../etc/passwd',
        f'{examples}/../../../home/secret.txt',
        f'{examples.parent}/uploads/../../../home/secret.txt',
        '/proc/self/environ',
        str(ROOT / 'projects' / 'msta' / '__init__.py'),
        f'file://{secret}',
    ]


def test_no_file_is_read_outside_the_upload_folder(page, chaos, uploaded):
    hidden = (SECRET.encode(), b'root:', b'OMP_NUM_THREADS', b'__version__')
    for path in beyond(page):
        quoted = urllib.parse.quote(path)
        twice = urllib.parse.quote(quoted.replace('.', '%2e').replace('/', '%2f'))
        for route in ('/gradio_api/file=', '/file=', '/gradio_api/file/', '/static/', '/assets/'):
            for form in (quoted, urllib.parse.quote(path, safe=''), twice):
                with chaos.attempt('page: a file route to elsewhere', 'HTTP 403 or 404'):
                    status, said = page.fetch(f'{route}{form}')
                    assert status >= 400, f'{route}{form}'
                    assert not any(word in said for word in hidden)
        for name, data in (
            ('recognise', [file_data(path), 'a, b']),
            ('preview', [file_data(path)]),
            ('correct', [file_data(path), 'a']),
        ):
            with chaos.attempt('page: a request for a file elsewhere', 'an error without content'):
                event, said = page.call(name, *data)
                assert event != 'complete', said
                assert not any(word.decode() in str(said) for word in hidden)
    with chaos.attempt('page: a request for a file elsewhere'):
        status, said = page.fetch(f'/gradio_api/file={urllib.parse.quote(uploaded)}')
        assert status == 200 and said  # its own upload is another matter


def test_no_address_is_fetched_for_a_visitor(page, chaos, uploaded):
    asked = []

    class Canary(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Canary) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_address[1]}/v.mp4'
        sound = file_data(uploaded)
        forms = [
            (file_data(address), 'a, b'),
            (file_data(address, url=address), 'a, b'),
            (file_data('x', url=address), 'a, b'),
            (sound, file_data(address)),
        ]
        for form in forms:
            with chaos.attempt('page: an address in place of a file', 'an error'):
                event, said = page.call('recognise', *form)
                assert event != 'complete'
                assert 'not fetched' in str(said) or form[0] == forms[2][0]
        with chaos.attempt('page: an address in place of a file', 'an error'):
            quoted = urllib.parse.quote(address, safe='')
            assert page.fetch(f'/gradio_api/proxy={quoted}')[0] >= 400
        server.shutdown()
    assert asked == []


def test_corrections_stay_in_their_folder(page, chaos, uploaded):
    kept = page.home / 'work_dirs' / 'corrections'
    labels = ['../../../escape', '/tmp/escape', 'a\nb', 'a\x00b', '', 'x' * 101, '..', '$(touch x)']
    for label in labels:
        with chaos.attempt('page: odd labels to correct to', 'stored, or an error; nowhere else'):
            before = {*page.home.rglob('*'), *Path('/tmp').glob('escape*')}
            event, said = page.call('correct', file_data(uploaded), label)
            refused = label.strip() == '' or len(label) > 100 or '\x00' in label or '\n' in label
            assert event == ('error' if refused else 'complete'), said
            new = {*page.home.rglob('*'), *Path('/tmp').glob('escape*')} - before
            assert bool(new) != refused
            assert all(path in kept.parents or path.is_relative_to(kept) for path in new)


NAMES = [
    '../../../../escape.mp4',
    '/tmp/escape.mp4',
    '..\\..\\escape.mp4',
    'escape\x00.mp4',
    'e' * 5000 + '.mp4',
    '.mp4',
    '..',
    'escape\n.mp4',
    '$(touch escape).mp4',
    'escape\udcff.mp4',
    '😀.mp4',
]


@pytest.mark.parametrize('name', NAMES, ids=lambda name: ascii(name[:24]))
def test_path_like_names_stay_in_the_upload_folder(name, page, chaos, uploaded):
    content = (Path(uploaded)).read_bytes()
    before = {*page.home.rglob('*'), *page.temporary.glob('*'), *Path('/tmp').glob('escape*')}
    with chaos.attempt('page: path-like file names', 'an answer, or an error; nothing elsewhere'):
        status, path = page.upload(name, content)
        if status == 200:
            uploads = next(page.temporary.glob('msta_app_*')) / 'uploads'
            assert Path(path).resolve().is_relative_to(uploads.resolve())
            page.recognise(path, 'a, b')
        after = {*page.home.rglob('*'), *page.temporary.glob('*'), *Path('/tmp').glob('escape*')}
        assert after == before
        assert page.process.poll() is None


def test_what_is_too_much_is_declined(page, chaos, uploaded):
    cases = {
        'page: 201 labels': (', '.join(f'l{i}' for i in range(201)), '201 labels are too many'),
        'page: 1,000,000 labels': (','.join(map(str, range(10**6))), 'too many'),
        'page: a label of 10 kB': ('run, ' + 'x' * 10_000, '10000 characters is too long'),
        'page: no labels': (' , ,', 'Type some labels'),
        'page: NUL in a label': ('run, wa\x00lk', 'control character'),
    }
    for fault, (labels, expected) in cases.items():
        with chaos.attempt(fault, 'a message on the page'):
            event, said = page.recognise(uploaded, labels)
            assert event == 'error' and expected in str(said), said
    with chaos.attempt('page: 200 labels', 'an answer'):
        assert page.recognise(uploaded, ', '.join(f'l{i}' for i in range(200)))[0] == 'complete'
    for size in (1_200_000, 30_000_000):
        with chaos.attempt('page: an oversized file', 'HTTP 413, or the connection is closed'):
            status, said = page.upload('big.mp4', b'\0' * size)
            assert status in (0, 413), said
            assert page.process.poll() is None


def test_broken_videos_do_not_end_the_page(page, chaos, tmp_path):
    kinds = [kind for kind in ODD_FILES if kind not in ('4K', 'no permission')]
    for kind in kinds if chaos.full else kinds[::3]:
        name, write = ODD_FILES[kind]
        with chaos.attempt('page: broken videos', 'an answer, or "This file: ..." and why'):
            status, path = page.upload(name, write(tmp_path / name).read_bytes())
            assert status == 200
            event, said = page.recognise(path, 'red, green')
            assert event in ('complete', 'error')
            if event == 'error':
                assert str(page.temporary) not in str(said)
            assert page.call('preview', file_data(path))[0] in ('complete', 'error')
            assert page.process.poll() is None


def test_many_visitors_at_once(page, chaos, tmp_path):
    rounds, users = chaos.times(1, 6), chaos.times(8, 20)
    held: list[tuple[float, int, int]] = []

    def visit(number: int) -> str:
        video = write_mp4(tmp_path / f'{number}.mp4', num_frames=12, seed=number)
        status, path = page.upload(video.name, video.read_bytes())
        assert status == 200, path
        event, data = page.recognise(path, f'first {number}, second {number}')
        if event == 'complete':
            found = {item['label'] for item in data[0]['confidences']}
            assert found == {f'first {number}', f'second {number}'}  # and no one else's
            return 'answered'
        assert 'queue' in str(data).lower(), data
        return 'queue full'

    for index in range(rounds):
        with chaos.attempt(f'page: {users} visitors at once', times=users) as attempt:
            with ThreadPoolExecutor(users) as pool:
                ends = list(pool.map(visit, range(index * users, (index + 1) * users)))
            assert ends.count('answered') >= min(users, 16)
            attempt.seen = 'their own answer, or that the queue is full'
        pid = page.process.pid
        children = Path(f'/proc/{pid}/task').glob('*/children')
        count = sum(len(path.read_text().split()) for path in children)
        held.append((memory_mib(pid), open_files(pid), count))
    assert all(processes <= 4 for _, _, processes in held), held
    if chaos.full:
        with chaos.attempt('page: memory and open files', times=rounds * users) as attempt:
            early, late = held[rounds // 2 - 1], held[-1]
            attempt.seen = (
                f'{late[0]:.0f} MiB after {rounds * users} visits '
                f'({late[0] - early[0]:+.0f} in the second half), {late[1]} open files '
                f'({late[1] - early[1]:+d}), {late[2]} processes'
            )
            assert late[0] - early[0] < 60 and late[1] - early[1] < 40, held
