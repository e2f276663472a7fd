"""The command line: help, usage errors, the dry run, and secrets."""

import resource
import subprocess
import sys

import pytest

from projects.msta.descriptions.credentials import Credentials
from projects.msta.descriptions.schema import DescriptionError
from tests.descriptions.conftest import KEY, TOOL, start_tool


def test_help_is_quick_and_works_from_anywhere(tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(
        [sys.executable, str(TOOL), '--help'], cwd=tmp_path, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.returncode == 0
    assert 'examples:' in ran.stdout
    # Processor time: the wall clock would measure what else the machine is doing.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'missing: --labels, --out, --model'),
        (['--labels', 'ucf101', '--out', 'x.json'], 'missing: --model'),
        (['--num', '0'], "'0' is not an integer from 1 to 32"),
        (['--num', 'two'], "'two' is not an integer"),
        (['--timeout', '-1'], "'-1' is not a number above 0"),
        (['--style', 'poetic'], 'invalid choice'),
        (['--check', 'a', 'b', 'c'], 'one file, or a published pair'),
        (['--check', 'a', 'b'], 'give --labels'),
        (['--import-published', 'a', 'b'], 'needs --labels and --out'),
        (['--export-published', 'a'], 'needs --out'),
        (['--extra', '{'], "'{' is not JSON"),
        (['--extra', '[1]'], 'is not a JSON object'),
        (['--unknown'], 'unrecognized arguments'),
    ],
)
def test_wrong_usage_has_status_2(tool, arguments, message):
    ran = tool(*arguments, usual=[])
    assert ran.status == 2
    assert message in ran.err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--price-in', '1'], '--price-in and --price-out go together'),
        (['--out', '/'], "--out '/' is a folder"),
        (['--out', 'x.json', '--cache', './x.json'], 'must be two files'),
    ],
)
def test_contradictions_have_status_2(tool, server, arguments, message):
    ran = tool(*arguments)
    assert ran.status == 2
    assert message in ran.err
    assert server.outcomes() == []


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--labels', 'none.txt'], "no label file 'none.txt'"),
        (['--context', '12'], 'leave no room for a description'),
        (['--check', 'none.json'], "no description file 'none.json'"),
        (['--base-url', 'localhost:8000'], 'is not a URL'),
        (['--cache', '/dev/null/x'], 'cannot be used as the cache'),
    ],
)
def test_user_errors_are_one_line(tool, server, arguments, message):
    ran = tool(*arguments)
    assert ran.status == 2
    assert ran.err.startswith('error: ')
    assert message in ran.err
    assert 'Traceback' not in ran.err
    assert server.outcomes() == []


def test_an_output_folder_that_cannot_be_made_loses_no_answer(tool, server, tmp_path):
    (tmp_path / 'file').write_text('')
    cache = ('--cache', tmp_path / 'c.sqlite')
    ran = tool(*cache, '--out', tmp_path / 'file' / 'out.json')
    assert ran.status == 2
    assert ran.err.rstrip().splitlines()[-1].startswith('error: ')
    assert tool(*cache).status == 0
    assert server.outcomes() == ['good'] * 4


def test_a_dry_run_shows_all_and_touches_nothing(tool, server, tmp_path, monkeypatch):
    monkeypatch.delenv('OPENAI_API_KEY')
    before = sorted(tmp_path.iterdir())
    ran = tool('--dry-run')
    assert ran.status == 0
    assert "===== 'abseiling'" in ran.out and "===== 'air drumming'" in ran.out
    assert 'Action: "abseiling"' in ran.out
    assert '4 classes, 0 answered before, 4 requests to make' in ran.out
    assert 'give --price-in and --price-out' in ran.out
    assert server.outcomes() == []
    assert sorted(tmp_path.iterdir()) == before
    priced = tool('--dry-run', '--price-in', '100', '--price-out', '400')
    assert 'estimated price: $0.' in priced.out


def test_a_dry_run_shows_exactly_what_is_sent(tool, server):
    shown = tool('--dry-run').out
    assert tool().status == 0
    sent = [entry['body']['messages'] for entry in server.log if entry['name'] == 'abseiling']
    for message in sent[0]:
        assert message['content'] in shown
    assert '4 answered before, 0 requests' in tool('--dry-run').out


def test_local_endpoints_need_no_key_and_openai_does(tool, server, monkeypatch):
    monkeypatch.delenv('OPENAI_API_KEY')
    assert tool().status == 0
    with pytest.raises(DescriptionError, match='OPENAI_API_KEY is not set'):
        Credentials.from_environment(None, 'OPENAI_API_KEY')
    monkeypatch.setenv('OPENAI_BASE_URL', server.url)
    assert Credentials.from_environment(None, 'OPENAI_API_KEY').endpoint == server.url


def test_the_key_of_another_variable_is_used(tool, server, monkeypatch):
    server.behaviour.key = 'sk-other-9876543210'
    assert tool().status == 2
    monkeypatch.setenv('OTHER_KEY', server.behaviour.key)
    assert tool('--key-env', 'OTHER_KEY').status == 0


SECRETS = (KEY, 'hunter2hunter2')


def with_password(url):
    return url.replace('http://', f'http://user:{SECRETS[1]}@')


def assert_no_secret(folder, output):
    files = [path for path in folder.rglob('*') if path.is_file()]
    assert output
    assert any(path.name == 'out.cache.sqlite' for path in files)
    for secret in SECRETS:
        assert secret not in output
        for path in files:
            assert secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize('outcome', ['good', 'rejected', 'wrong key', 'server error'])
def test_the_key_is_in_no_file_and_no_output(tool, server, tmp_path, outcome):
    """Not even when the endpoint repeats it in its answers and error messages."""
    server.behaviour.echo_key = True
    arguments = ['--retries', '1', '--base-url', with_password(server.url)]
    if outcome == 'rejected':
        server.behaviour.stubborn = {'abseiling': 'refusal'}
    elif outcome == 'wrong key':
        server.behaviour.key = 'sk-right-0000000000'
    elif outcome == 'server error':
        server.behaviour.status = {'status': 500, 'message': 'broken'}
    ran = tool(*arguments)
    assert ran.status == {'good': 0, 'wrong key': 2}.get(outcome, 1)
    assert_no_secret(tmp_path, ran.out + ran.err)


def test_the_key_is_in_no_log_of_the_client(server, labels, tmp_path):
    server.behaviour.echo_key = True
    url, out = with_password(server.url), tmp_path / 'out.json'
    process = start_tool(url, labels, out, OPENAI_LOG='debug')
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0
    assert_no_secret(tmp_path, stdout + stderr)
