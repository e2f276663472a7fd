"""Endpoints with manners of their own: each is understood, or named in one line with a remedy."""

import json
import shutil
import sqlite3
import time

import pytest

from projects.msta import __version__
from projects.msta.descriptions import read_descriptions
from projects.msta.descriptions.ask import ask_missing
from projects.msta.descriptions.cache import Cache
from projects.msta.descriptions.credentials import Credentials
from projects.msta.descriptions.dialect import Parameters
from projects.msta.descriptions.plan import assemble, make_plan
from tests.descriptions.answers import good_phrases
from tests.descriptions.conftest import KEY, ROOT

NAMES = ['abseiling', 'air drumming', 'ApplyEyeMakeup', 'baking cookies']
BEFORE = ROOT / 'tests' / 'data' / 'descriptions' / 'version_0_1.json'


def expected(tmp_path):
    """The descriptions in the file are the server's good phrases, for every class."""
    found = read_descriptions(tmp_path / 'out.json', NAMES)
    looks = [good_phrases(name, 2)['spatial'] for name in ('abseiling', 'air drumming')]
    return found.spatial[:2] == [[f'A video about {look}.' for look in each] for each in looks]


@pytest.mark.parametrize(
    'words',
    [
        'System role not supported',
        'Conversation roles must alternate user/assistant/user/assistant/...',
        'Developer instruction is not enabled for models/gemma-3-27b-it',
        'Bad Request',
    ],
)
def test_an_endpoint_without_a_system_role(tool, server, tmp_path, words):
    server.behaviour.refuses_system = words
    ran = tool()
    assert ran.status == 0, ran.err
    assert 'does not take' in ran.err and 'a system message' in ran.err
    sent = server.log[-1]['body']['messages']
    assert [message['role'] for message in sent] == ['user']
    assert sent[0]['content'].startswith('You write short visual descriptions of human actions.')
    assert 'Action: "' in sent[0]['content']
    assert expected(tmp_path)
    assert server.outcomes().count('400') == (3 if words == 'Bad Request' else 1)


def test_a_correction_without_a_system_role_alternates_the_roles(tool, server):
    server.behaviour.refuses_system = 'System role not supported'
    server.behaviour.content_faults = 1.0
    server.behaviour.content_kinds = ('count',)
    assert tool().status == 0
    again = [entry['body']['messages'] for entry in server.log if entry['correction']]
    assert {tuple(m['role'] for m in messages) for messages in again} == {
        ('user', 'assistant', 'user')
    }


def test_what_was_dropped_in_vain_is_sent_again(tool, server):
    """A prompt that is refused for no stated reason does not make the others poorer."""
    server.behaviour.status = {'status': 400, 'message': 'Bad Request'}
    ran = tool('--attempts', '1')
    assert ran.status == 1
    server.behaviour.status = None
    server.log.clear()
    assert tool().status == 0
    assert all(
        entry['body']['response_format']['type'] == 'json_schema'
        and entry['body']['messages'][0]['role'] == 'system'
        for entry in server.log
    )


@pytest.mark.parametrize('form', ['list', 'reasoning', 'misfiled'])
def test_answers_in_other_places(tool, server, tmp_path, form):
    server.behaviour.form = form
    assert tool().status == 0
    assert server.outcomes() == ['good'] * 4
    assert expected(tmp_path)


def test_drafts_among_reasoning_are_not_answers(tool, server, tmp_path):
    server.behaviour.form = 'thoughts'
    ran = tool('--attempts', '2')
    assert ran.status == 1
    assert "'abseiling': the answer was empty (2 answers)" in ran.out
    assert not (tmp_path / 'out.json').exists()


@pytest.mark.parametrize('suffix', ['', '/', '/v1/', '/v1/chat/completions'])
def test_the_base_url_in_other_forms(tool, server, tmp_path, suffix):
    given = server.url.removesuffix('/v1') + suffix
    ran = tool('--base-url', given)
    assert ran.status == 0, ran.err
    assert expected(tmp_path)
    found = read_descriptions(tmp_path / 'out.json', NAMES)
    assert found.meta['endpoints'] == [server.url]
    assert (f'trying {server.url}' in ran.err) == (suffix in ('', '/'))


def test_a_wrong_path_is_named(tool, server):
    ran = tool('--base-url', server.url.removesuffix('/v1') + '/v2')
    assert ran.status == 2
    assert 'no such path /v2/chat/completions: check --model' in ran.err
    assert '/v2' in ran.err.splitlines()[-1]


def test_the_reason_of_a_plain_text_refusal_is_shown(tool, server):
    server.behaviour.plain = True
    server.behaviour.status = {'status': 400, 'message': 'the prompt is longer than 256 tokens'}
    ran = tool('--retries', '0')
    assert ran.status == 1
    said = ran.out + ran.err
    assert 'the endpoint answered 400: the prompt is longer than 256 tokens' in said


@pytest.mark.parametrize('proxy', ['socks5://127.0.0.1:9', 'socks://127.0.0.1:9'])
def test_a_proxy_is_not_asked_for_a_local_server(tool, server, monkeypatch, proxy):
    for name in ('ALL_PROXY', 'HTTP_PROXY', 'http_proxy', 'all_proxy'):
        monkeypatch.setenv(name, proxy)
    assert tool().status == 0
    assert server.outcomes() == ['good'] * 4


def test_a_proxy_that_cannot_be_used_is_one_line(tool, monkeypatch):
    monkeypatch.setenv('ALL_PROXY', 'socks://user:secret123@127.0.0.1:9')
    ran = tool('--base-url', 'http://models.invalid/v1')
    assert ran.status == 2
    assert ran.err.splitlines()[-1].startswith('error: the proxy that the environment names')
    assert 'env -u ALL_PROXY' in ran.err and 'Traceback' not in ran.err
    assert 'secret123' not in ran.err


def test_a_host_without_an_address_is_reported_at_once(tool):
    started = time.monotonic()
    ran = tool('--base-url', 'http://models.invalid/v1')
    assert ran.status == 2
    assert 'no connection to http://models.invalid/v1' in ran.err
    assert time.monotonic() - started < 15


def test_a_silent_endpoint_is_mentioned(tmp_path, labels, monkeypatch, server):
    """Long before its time-out: the progress line alone would stand at 0/4."""
    monkeypatch.setattr('projects.msta.descriptions.ask._SLOW_SEC', 0.2)
    server.behaviour.latency_sec = 0.6
    notes = []
    plan = make_plan(NAMES[:1], Parameters('writer', 100))
    with Cache(tmp_path / 'c.sqlite') as cache:
        credentials = Credentials(server.url, KEY, 'OPENAI_API_KEY')
        outcome = ask_missing(plan, cache, credentials, note=notes.append)
    assert outcome.error is None and not outcome.failures
    assert len(notes) == 1
    assert notes[0].startswith(f'no answer from {server.url} for 0.2 s')


def test_refused_parameters_are_said_and_recorded(tool, server, tmp_path):
    server.behaviour.refused = {'temperature': "'temperature' does not support 0.3"}
    ran = tool('--temperature', '0.3', '--seed', '3')
    assert ran.status == 0
    assert "the endpoint refused ['temperature']" in ran.out
    meta = json.loads((tmp_path / 'out.json').read_text(encoding='utf-8'))['meta']
    assert meta['not_sent'] == ['temperature']
    assert server.log[-1]['body']['seed'] == 3


PHRASES = {
    'spatial': ['a brown oval ball in two hands', 'a grassy yard behind a house'],
    'temporal': ['pulling the ball back behind one ear', 'throwing it to the other person'],
}


class TestShortForm:
    LONG = 'passing American football (not in game)'

    @pytest.fixture
    def words(self, monkeypatch):
        """The server writes phrases of ordinary length, whatever the prompt says."""
        monkeypatch.setattr(
            'tests.descriptions.answers.good_phrases', lambda name, num, max_words=12: PHRASES
        )

    def test_a_name_that_cannot_fit_gets_it_at_once(self, tool, server, words, labels, tmp_path):
        labels.write_text(f'{self.LONG}\nthrowing\n', encoding='utf-8')
        ran = tool()
        assert ran.status == 0, ran.out
        assert server.outcomes() == ['good'] * 2  # the same answer, in the other form
        assert (
            f'1 of 2 names leave too little of the 32 tokens to the published form and get the '
            f'short one: {self.LONG!r}' in ran.out
        )
        found = read_descriptions(tmp_path / 'out.json', [self.LONG, 'throwing'], 32)
        step = PHRASES['temporal'][0]
        assert found.temporal[0][0] == f'A video of {self.LONG.lower()}: {step}.'
        assert 'following step' in found.temporal[1][0]
        assert found.meta['short_form'] == [self.LONG]
        assert 'short_form' not in json.loads(BEFORE.read_text(encoding='utf-8'))['meta']

    def test_a_name_with_room_is_asked_again_first(self, tool, server, words, labels, monkeypatch):
        labels.write_text('hurling\n', encoding='utf-8')
        longer = [f'{phrase} in a slow arc over the grass' for phrase in PHRASES['temporal']]
        monkeypatch.setitem(PHRASES, 'temporal', longer)
        ran = tool()
        assert ran.status == 0, ran.out
        assert server.outcomes() == ['good'] * 3
        assert "get the short one: 'hurling'" in ran.out

    def test_nothing_changes_where_there_is_room(self, tool, server, words, labels, tmp_path):
        labels.write_text(f'{self.LONG}\nthrowing\n', encoding='utf-8')
        ran = tool('--context', '77')
        assert ran.status == 0
        assert 'short one' not in ran.out
        found = read_descriptions(tmp_path / 'out.json', [self.LONG])
        assert 'following step' in found.temporal[0][0]


@pytest.mark.parametrize('subject', ['machines', 'camera_motion'])
def test_other_subjects_are_asked_for_and_recorded(tool, server, tmp_path, subject):
    assert tool().status == 0
    assert tool('--subject', subject).status == 0
    assert len(server.outcomes()) == 8  # other questions than those about people
    sent = server.log[-1]['body']['messages'][0]['content']
    assert 'human' not in sent
    meta = json.loads((tmp_path / 'out.json').read_text(encoding='utf-8'))['meta']
    assert meta['subject'] in sent
    ran = tool('--subject', 'machine')
    assert ran.status == 2 and "did you mean 'machines'?" in ran.err


class TestFilesOfVersion01:
    """What the first version wrote, with the tables of its Batch API, serves as before."""

    def test_its_answers_are_not_asked_for_again(self, tool, server, tmp_path):
        cache = tmp_path / 'old.sqlite'
        shutil.copy(BEFORE.with_suffix('.cache.sqlite'), cache)
        with sqlite3.connect(cache) as database:
            assert database.execute('SELECT count(*) FROM answers').fetchone() == (5,)
            assert database.execute('SELECT count(*) FROM batches').fetchone() == (0,)
        assert tool('--cache', cache).status == 0
        assert server.outcomes() == []
        writer = f'"generator": "msta {__version__}"'  # the one thing that follows the version
        before = BEFORE.read_text().replace('"generator": "msta 0.1.0"', writer)
        assert (tmp_path / 'out.json').read_text() == before

    def test_its_answers_come_from_python_too(self, tmp_path):
        cache = tmp_path / 'old.sqlite'
        shutil.copy(BEFORE.with_suffix('.cache.sqlite'), cache)
        plan = make_plan(NAMES, Parameters('writer', 2048), context=32)
        with Cache(cache) as opened:
            found, failed = assemble(plan, plan.standings(opened))
        assert not failed
        assert found.spatial == read_descriptions(BEFORE, NAMES).spatial
