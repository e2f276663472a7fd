"""Runs against a live server: what it costs, what it survives, when it stops."""

import json
import re
import signal
import time

import pytest

from projects.msta.descriptions import read_descriptions
from projects.msta.labels import read_labels
from tests.descriptions.answers import CONNECTION_FAULTS, CONTENT_FAULTS, good_phrases
from tests.descriptions.conftest import start_tool

NAMES = ['abseiling', 'air drumming', 'ApplyEyeMakeup', 'baking cookies']


def test_one_request_a_class_and_none_the_second_time(tool, server, tmp_path):
    ran = tool()
    assert ran.status == 0
    assert '4 of 4 classes have their descriptions' in ran.out
    assert server.outcomes() == ['good'] * 4
    found = read_descriptions(tmp_path / 'out.json', NAMES)
    look = good_phrases('apply eye makeup', 2)['spatial'][0]
    assert found.spatial[2][0] == f'A video about {look}.'
    assert found.meta['usage']['answers'] == 4
    assert found.meta['endpoints'] == [server.url]
    before = (tmp_path / 'out.json').read_bytes()
    (tmp_path / 'out.json').unlink()
    assert tool().status == 0
    assert len(server.outcomes()) == 4
    assert (tmp_path / 'out.json').read_bytes() == before


def test_a_changed_question_is_asked_anew_and_the_old_answers_stay(tool, server):
    assert tool().status == 0
    assert tool('--num', '3').status == 0
    assert tool('--style', 'free').status == 0
    assert tool('--model', 'other').status == 0
    assert len(server.outcomes()) == 16
    assert tool().status == tool('--num', '3').status == 0
    assert len(server.outcomes()) == 16


def test_a_longer_label_list_asks_only_for_what_is_new(tool, server, labels):
    assert tool().status == 0
    labels.write_text('zorbing\n' + labels.read_text(encoding='utf-8'), encoding='utf-8')
    assert tool().status == 0
    assert server.outcomes('zorbing') == ['good']
    assert len(server.outcomes()) == 5


@pytest.mark.parametrize('kind', [*CONNECTION_FAULTS, 'mixed'])
def test_every_connection_fault_is_overcome(tool, server, kind):
    mixed = kind == 'mixed'
    server.behaviour.connection_faults = 0.3 if mixed else 0.0
    server.behaviour.connection_kinds = CONNECTION_FAULTS if mixed else (kind,)
    server.behaviour.faults_left = 2
    # Short only where it must pass: on a busy machine good answers take their time, too.
    ran = tool('--timeout', '1' if kind in ('hang', 'mixed') else '30')
    assert ran.status == 0, ran.out + ran.err
    outcomes = server.outcomes()
    assert outcomes.count('good') >= 4
    assert outcomes[:2] == [kind] * 2 or mixed


@pytest.mark.parametrize('kind', CONTENT_FAULTS)
def test_every_bad_answer_is_asked_again_with_the_reason(tool, server, kind):
    server.behaviour.content_faults = 1.0
    server.behaviour.content_kinds = (kind,)
    ran = tool()
    assert ran.status == 0, ran.out
    assert server.outcomes('abseiling') == [kind, 'good']
    again = [entry for entry in server.log if entry['correction']]
    assert len(again) == 4
    assert 'cannot be used' in again[0]['body']['messages'][3]['content']
    if kind == 'length':
        assert again[0]['body']['max_tokens'] == 2 * server.log[0]['body']['max_tokens']


def test_retry_after_is_honoured_by_all_requests(tool, server):
    server.behaviour.connection_kinds = ('429 retry-after',)
    server.behaviour.retry_after = '0.6'
    server.behaviour.faults_left = 1
    assert tool('--concurrency', '1').status == 0
    first, *later = (entry['time'] for entry in server.log)
    assert server.outcomes() == ['429 retry-after'] + ['good'] * 4
    assert min(later) - first >= 0.6


def test_a_class_that_never_works_is_reported_and_the_file_kept(tool, server, tmp_path):
    out = tmp_path / 'out.json'
    out.write_text('the old file', encoding='utf-8')
    server.behaviour.stubborn = {'air drumming': 'refusal', 'baking cookies': 'count'}
    ran = tool('--attempts', '3')
    assert ran.status == 1
    assert "'air drumming': the answer was a refusal" in ran.out
    assert "'baking cookies': there are 3 spatial descriptions instead of 2 (3 answers)" in ran.out
    assert out.read_text(encoding='utf-8') == 'the old file'
    assert server.outcomes('air drumming') == ['refusal'] * 3

    # Asking the same again is pointless until it is demanded, or more attempts are allowed.
    assert tool('--attempts', '3').status == 1
    assert len(server.outcomes()) == 8
    partial = tool('--attempts', '3', '--allow-partial')
    assert partial.status == 1
    assert read_descriptions(out, ['abseiling', 'ApplyEyeMakeup']).meta['failed'] == [
        'air drumming',
        'baking cookies',
    ]
    server.behaviour.stubborn = {}
    assert tool('--attempts', '3', '--refresh-failed').status == 0
    assert len(server.outcomes()) == 10
    assert read_descriptions(out, NAMES).meta['failed'] == []


def test_one_class_can_be_asked_again(tool, server):
    assert tool().status == 0
    assert tool('--refresh', 'abseiling').status == 0
    assert server.outcomes('abseiling') == ['good', 'good']
    assert len(server.outcomes()) == 5
    ran = tool('--refresh', 'absailing')
    assert ran.status == 2
    assert "did you mean 'abseiling'?" in ran.err


def test_tries_are_bounded(tool, server):
    server.behaviour.connection_faults = 1.0
    server.behaviour.connection_kinds = ('503',)
    ran = tool('--retries', '2', '--concurrency', '1')
    assert ran.status == 1
    assert '3 requests in a row failed' in ran.err
    assert server.outcomes() == ['503'] * 9


@pytest.mark.parametrize(
    ('status', 'details', 'advice'),
    [
        (402, {}, 'no credit left'),
        (401, {'code': 'invalid_api_key'}, 'check the key in the environment variable OPENAI_API_'),
        (403, {}, 'check the key'),
        (404, {'code': 'model_not_found'}, "check --model 'writer' .*the endpoint offers: writer"),
        (400, {'code': 'invalid_model', 'param': 'model'}, "check --model 'writer'"),
        (429, {'code': 'insufficient_quota'}, 'no credit left'),
        (429, {'headers': {'Retry-After': '3600'}}, r'asks to come back later .Retry-After: 3600'),
    ],
)
def test_hopeless_errors_stop_at_once(tool, server, status, details, advice):
    server.behaviour.status = {'status': status, 'message': 'No.', **details}
    ran = tool()
    # What the user can set is wrong usage; what the endpoint lacks is not.
    assert ran.status == (1 if status in (402, 429) else 2)
    assert server.outcomes() == [str(status)]
    assert 'error: ' in ran.err
    assert re.search(advice, ran.err)
    assert 'Traceback' not in ran.err


@pytest.mark.parametrize('status', [401, 503])
def test_an_endpoint_that_fails_in_the_middle_keeps_what_it_gave(tool, server, tmp_path, status):
    server.behaviour.status = {'status': status, 'message': 'No more.'}
    server.behaviour.status_from = 20
    ran = tool('--labels', 'hmdb51', '--retries', '1', '--concurrency', '4')
    assert ran.status == (2 if status == 401 else 1)
    given = server.outcomes().count('good')
    assert 20 <= given < 25
    assert f'{given} of 51 classes have their descriptions' in ran.out
    assert ran.err.splitlines()[-1].startswith('error: ')
    assert 'Traceback' not in ran.err
    assert not (tmp_path / 'out.json').exists()
    server.behaviour.status = None
    assert tool('--labels', 'hmdb51').status == 0
    assert server.outcomes().count('good') == 51


def test_a_content_filter_costs_only_its_class(tool, server):
    server.behaviour.filtered = {'abseiling'}
    ran = tool()
    assert ran.status == 1
    assert server.outcomes().count('good') == 3
    assert "'abseiling': the endpoint answered 400" in ran.out


def test_nothing_listens(tool, tmp_path):
    url = 'http://127.0.0.1:9/v1'
    ran = tool('--base-url', url, '--out', tmp_path / 'o.json')
    assert ran.status == 2
    assert f'no connection to {url}' in ran.err
    assert 'is the server running' in ran.err
    # Long before ten retries have passed.
    assert ran.out.startswith('3 requests (2 retries')
    assert not (tmp_path / 'o.json').exists()


def test_400_classes_with_faults_in_a_third_of_the_requests(tool, server, tmp_path):
    server.behaviour.connection_faults = 0.15
    server.behaviour.content_faults = 0.3
    server.behaviour.hang_sec = 4.0
    out = tmp_path / 'k400.json'
    options = ('--labels', 'kinetics400', '--out', out, '--concurrency', '32', '--timeout', '3')
    ran = tool(*options)
    assert ran.status == 0, ran.out + ran.err[-2000:]
    assert len(read_descriptions(out, read_labels('kinetics400')).names) == 400
    outcomes = server.outcomes()
    # More than one good answer only where the first came after the time-out.
    assert outcomes.count('good') >= 400
    assert set(outcomes) == {'good', *CONNECTION_FAULTS, *CONTENT_FAULTS}
    assert 550 < len(outcomes) < 800


def test_concurrency_is_bounded_and_used(tool, server, tmp_path):
    server.behaviour.latency_sec = 0.1
    labels = tmp_path / 'many.txt'
    labels.write_text(''.join(f'class number {i}\n' for i in range(41)), encoding='utf-8')
    ran = tool('--labels', labels, '--concurrency', '8')
    assert ran.status == 0
    assert server.most_in_flight == 8
    assert server.outcomes() == ['good'] * 41


@pytest.mark.parametrize('number', ['SIGINT', 'SIGTERM'])
def test_an_interrupt_finishes_what_is_in_flight(server, tmp_path, number):
    server.behaviour.latency_sec = 0.3
    out = tmp_path / 'out.json'
    process = start_tool(server.url, 'kinetics400', out, '--concurrency', '4')
    while server.outcomes().count('good') < 5:
        time.sleep(0.02)
    process.send_signal(getattr(signal, number))
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130, stderr
    asked = server.outcomes().count('good')
    assert f'{asked} of 400 classes have their descriptions' in stdout
    assert 'Traceback' not in stderr
    assert not out.exists()


def test_an_interrupt_ends_the_retries(server, labels, tmp_path):
    server.behaviour.status = {'status': 503, 'message': 'Later.'}
    process = start_tool(server.url, labels, tmp_path / 'out.json', '--retries', '100')
    while not server.outcomes():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130, stderr
    assert 'run the same command to continue' in stdout
    assert len(server.outcomes()) <= 2


def test_progress_and_price_are_shown(tool):
    ran = tool('--price-in', '1000', '--price-out', '2000')
    assert ran.status == 0
    summary = r'4 requests \(0 retries, 0 answers turned down\), (\d+) prompt and (\d+) completion'
    prompt, completion = map(int, re.match(summary, ran.out).groups())
    cost = (1000 * prompt + 2000 * completion) / 1e6
    assert f'${cost:.4f}' in ran.out
    assert f'${cost:.4f}' in ran.err
    assert 'class/s' in ran.err and 'retries 0' in ran.err


def test_the_output_is_plain_json_without_surprises(tool, tmp_path):
    assert tool().status == 0
    data = json.loads((tmp_path / 'out.json').read_text(encoding='utf-8'))
    assert set(data) == {'format', 'meta', 'classes'}
    assert data['meta']['date'] == '2023-11-14'
    assert data['meta']['prompt_version'] == '1'
    assert [path.name for path in tmp_path.glob('.*')] == ['.out.json.lock']
