"""A local HTTP server that speaks the chat-completions endpoint, with faults.

Runs in a thread of the tests (``LanguageModelServer``) or as a program of its own::

    python -m tests.descriptions.server --latency 0.2 --faults 0.3

It answers as a language model would: two lists of phrases, always the same ones for a class. Faults
of the answer's content depend on the class and on whether this is a correction, so that a run that
was interrupted sees the same answers as one that was not; faults of the connection are drawn anew
each time.
"""

import argparse
import hashlib
import json
import random
import re
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.descriptions.answers import (
    CONNECTION_FAULTS,
    CONTENT_FAULTS,
    KEY_IN_ANSWERS,
    spoil,
)


@dataclass
class Behaviour:
    """What the server does; tests change it between requests.

    Attributes:
        latency_sec: the time an answer takes.
        connection_faults: share of requests that meet one of ``connection_kinds``.
        content_faults: share of the classes whose first answers are bad, one way or another.
        stubborn: classes whose answers are always bad, with the kind of fault.
        refused: fields that give a 400, with the message.
        filtered: classes whose prompts a content filter refuses.
        faults_left: how many of the next requests meet a connection fault for certain.
        key: the key to ask for, or None.
        status: an error that every request meets, from the ``status_from``-th on.
        hang_sec: how long a hanging request hangs.
        retry_ms: how soon to come back, after a 429 or 5xx that does not say it otherwise.
        refuses_system: what is answered to a system message, with a status of 400.
        refusal_status: the status of refusals of fields.
        plain: whether refusals are plain text instead of JSON.
        form: how the answer is packed: ``text``, ``list`` (Mistral's parts, thinking first),
            ``reasoning`` (thoughts with a draft beside the answer), ``misfiled`` (the whole answer
            as reasoning), ``thoughts`` (a draft among reasoning, and no answer).
    """

    latency_sec: float = 0.0
    connection_faults: float = 0.0
    connection_kinds: tuple[str, ...] = CONNECTION_FAULTS
    content_faults: float = 0.0
    content_kinds: tuple[str, ...] = CONTENT_FAULTS
    stubborn: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    filtered: set[str] = field(default_factory=set)
    faults_left: int = 0
    key: str | None = None
    status: dict | None = None
    status_from: int = 0
    hang_sec: float = 5.0
    retry_after: str = '0.05'
    echo_key: bool = False
    retry_ms: int = 10
    refuses_system: str | None = None
    plain: bool = False
    refusal_status: int = 400
    form: str = 'text'


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that were killed in the middle of a request."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class LanguageModelServer:
    """The server and a record of what it was asked.

    Attributes:
        log: one entry a chat request: class name, outcome, whether it was a correction, body.
    """

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0):
        self.behaviour = behaviour or Behaviour()
        self.log: list[dict] = []
        self.lock = threading.Lock()
        self.random = random.Random(7)
        self.in_flight = self.most_in_flight = 0
        self._http = QuietServer(('127.0.0.1', port), Handler)
        self._http.owner = self
        self.url = f'http://127.0.0.1:{self._http.server_address[1]}/v1'
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def outcomes(self, name: str | None = None) -> list[str]:
        with self.lock:
            return [entry['outcome'] for entry in self.log if name in (None, entry['name'])]

    def record(self, name, outcome, body, correction):
        entry = {'name': name, 'outcome': outcome, 'body': body, 'correction': correction,
                 'time': time.monotonic()}  # fmt: skip
        with self.lock:
            self.log.append(entry)

    @contextmanager
    def counted(self):
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            with self.lock:
                self.in_flight -= 1

    def forget(self):
        """Empty the log, once requests of clients that are gone have been dealt with."""
        while self.in_flight:
            time.sleep(0.01)
        self.log.clear()

    def draw_connection_fault(self) -> str | None:
        with self.lock:
            certain = self.behaviour.faults_left > 0
            self.behaviour.faults_left -= certain
            if certain or self.random.random() < self.behaviour.connection_faults:
                return self.random.choice(self.behaviour.connection_kinds)
        return None


def content_fault(name: str, correction: bool, behaviour: Behaviour) -> str | None:
    """Return the fault of a class's answers; corrections are bad half as often."""
    if name in behaviour.stubborn:
        return behaviour.stubborn[name]
    digest = hashlib.sha256(f'{name} {correction}'.encode()).digest()
    share = behaviour.content_faults * (0.5 if correction else 1.0)
    if digest[0] / 256 >= share:
        return None
    if correction:
        # A correction that is asked for twice is the same question, so it must be good in the end.
        return None
    return behaviour.content_kinds[digest[1] % len(behaviour.content_kinds)]


class Handler(BaseHTTPRequestHandler):
    """One connection; HTTP/1.1, so that clients may keep it open."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    @property
    def owner(self) -> LanguageModelServer:
        return self.server.owner

    @property
    def behaviour(self) -> Behaviour:
        return self.owner.behaviour

    @property
    def soon(self) -> dict[str, str]:
        return {'Retry-After-Ms': str(self.behaviour.retry_ms)}

    def log_message(self, *_):
        pass

    def reply(self, status: int, data, headers=None):
        payload = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(payload)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def error(self, status: int, message: str, headers=None, **details):
        if self.behaviour.echo_key:
            message += f' (you sent {self.headers.get("Authorization")})'
        if self.behaviour.plain:
            self.reply(status, message.encode(), headers)
            return
        self.reply(status, {'error': {'message': message, 'type': 'error', **details}}, headers)

    def do_GET(self):
        path = self.path.partition('?')[0]
        if path == '/v1/models':
            self.reply(200, {'object': 'list', 'data': [
                {'id': 'writer', 'object': 'model', 'created': 0, 'owned_by': 'x'}]})  # fmt: skip
        elif path == '/log':
            with self.owner.lock:
                self.reply(200, self.owner.log)
        else:
            self.error(404, f'no such path {path}')

    def do_POST(self):
        length = int(self.headers.get('Content-Length', 0))
        content = self.rfile.read(length)
        if len(content) < length:
            raise ConnectionResetError
        key = self.behaviour.key
        if key and self.headers.get('Authorization') != f'Bearer {key}':
            self.error(401, 'Incorrect API key provided', code='invalid_api_key')
        elif self.path == '/v1/chat/completions':
            with self.owner.counted():
                self.chat(json.loads(content))
        else:
            self.error(404, f'no such path {self.path}')

    def chat(self, body: dict):
        name, _, correction = read_prompt(body)
        fixed = self.behaviour.status if len(self.owner.log) >= self.behaviour.status_from else None
        fault = self.owner.draw_connection_fault()
        refusal = find_refusal(body, self.behaviour)
        if fixed:
            self.owner.record(name, str(fixed['status']), body, correction)
            self.error(**{'headers': self.soon, **fixed})
        elif name in self.behaviour.filtered:
            self.owner.record(name, 'filtered', body, correction)
            self.error(400, 'The prompt was filtered', code='content_filter')
        elif refusal:
            status = self.behaviour.refusal_status
            self.owner.record(name, str(status), body, correction)
            self.error(status, refusal['message'], self.soon, param=refusal['param'])
        elif fault:
            self.owner.record(name, fault, body, correction)
            self.fail(fault)
        else:
            time.sleep(self.behaviour.latency_sec)
            outcome, completion = complete(body, self.behaviour)
            self.owner.record(name, outcome, body, correction)
            self.reply(200, completion)

    def fail(self, fault: str):
        if fault == '429':
            self.error(429, 'Rate limit reached', self.soon)
        elif fault == '429 retry-after':
            self.error(429, 'slow down', {'Retry-After': self.behaviour.retry_after})
        elif fault == '429 date':
            self.error(429, 'slow down', {'Retry-After': formatdate(time.time(), usegmt=True)})
        elif fault in ('500', '502', '503'):
            self.reply(int(fault), b'<html>bad gateway</html>', self.soon)
        elif fault == 'no json':
            self.reply(200, b'<html>welcome to this hotel network</html>')
        else:
            if fault == 'hang':
                time.sleep(self.behaviour.hang_sec)
            elif fault == 'cut body':
                self.send_response(200)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', '1000')
                self.end_headers()
                self.wfile.write(b'{"id": "1", "choices": [')
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


def read_prompt(body: dict) -> tuple[str, int, bool]:
    """Return the class asked for, how many descriptions, and whether this is a correction."""
    prompts = [message['content'] for message in body['messages'] if message['role'] == 'user']
    name = re.search(r'^[A-Z][a-z ]+: "(.*)"\n', prompts[0], re.MULTILINE)[1]
    num = int(re.search(r'exactly (\d+) spatial', prompts[0])[1])
    return name, num, len(prompts) > 1


def find_refusal(body: dict, behaviour: Behaviour) -> dict | None:
    if behaviour.refuses_system and body['messages'][0]['role'] == 'system':
        return {'message': behaviour.refuses_system, 'param': None, 'code': None}
    kind = (body.get('response_format') or {}).get('type')
    for param, message in behaviour.refused.items():
        if param in body or param == kind:
            return {'message': message, 'param': param if param in body else None, 'code': None}
    return None


def packed(text: str, form: str) -> dict:
    draft = 'A draft: {"spatial": ["a", "b"], "temporal": ["c", "d"]}, no.'
    return {
        'text': {'content': text},
        'list': {'content': [{'type': 'thinking', 'thinking': [{'type': 'text', 'text': draft}]},
                             *({'type': 'text', 'text': part} for part in (text[:9], text[9:]))]},
        'reasoning': {'content': text, 'reasoning_content': draft},
        'misfiled': {'content': None, 'reasoning_content': text},
        'thoughts': {'content': '', 'reasoning': f'Let me see: {text}'},
    }[form]  # fmt: skip


def complete(body: dict, behaviour: Behaviour) -> tuple[str, dict]:
    """Return the outcome's name and the completion."""
    name, num, correction = read_prompt(body)
    kind = content_fault(name, correction, behaviour)
    max_words = int(re.search(r'(\d+) for a temporal', str(body['messages']))[1])
    text = spoil(kind, name, num, max_words)
    prompt_tokens = sum(len(message['content']) for message in body['messages']) // 4
    if behaviour.echo_key:
        text += f' {KEY_IN_ANSWERS}'
    return kind or 'good', {
        'id': 'chat', 'object': 'chat.completion', 'created': 0, 'model': body['model'],
        'choices': [{'index': 0, 'message': {'role': 'assistant', **packed(text, behaviour.form)},
                     'finish_reason': 'length' if kind == 'length' else 'stop'}],
        'usage': {'prompt_tokens': prompt_tokens, 'completion_tokens': len(text) // 4,
                  'total_tokens': prompt_tokens + len(text) // 4},
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--latency', type=float, default=0.0)
    parser.add_argument('--faults', type=float, default=0.0, help='share of faulty requests')
    arguments = parser.parse_args()
    behaviour = Behaviour(
        latency_sec=arguments.latency,
        connection_faults=arguments.faults / 2,
        content_faults=arguments.faults / 2,
    )
    with LanguageModelServer(behaviour, arguments.port) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == '__main__':
    main()
