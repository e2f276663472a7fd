"""What ended a run of several processes, told from how each of them ended."""

import json
import signal
import sys
from types import SimpleNamespace

import pytest

from projects.msta.training.ranks import describe, main, say


def failures(**codes: int) -> dict[int, SimpleNamespace]:
    return {
        int(name[1:]): SimpleNamespace(exitcode=code, pid=100 + int(name[1:]), error_file_data={})
        for name, code in codes.items()
    }


@pytest.mark.parametrize(
    ('ended', 'said', 'status'),
    [
        # The partner of a killed process loses its connection, or is ended by the launcher.
        (failures(r0=2, r1=-signal.SIGKILL), 'rank 1 (process 101) was killed by SIGKILL', 1),
        (failures(r0=-signal.SIGTERM, r3=-signal.SIGSEGV), 'rank 3 (process 103) was killed', 1),
        (failures(r1=2, r2=-signal.SIGKILL), 'rank 2', 1),
        (failures(r0=2), 'rank 0 (process 100) ended with status 2', 2),
        (failures(r0=143, r1=143), 'rank 0 (process 100) ended with status 143', 143),
    ],
)
def test_the_first_cause_is_named(ended, said, status):
    message, left_with = describe(ended)
    assert message.removeprefix('error: ').startswith(said) and left_with == status


def test_what_the_first_to_fail_said_is_said_once(tmp_path, monkeypatch, capsys):
    ended = failures(r0=2, r1=2, r2=2)
    monkeypatch.setenv('MSTA_RANKS', '1')
    # The first to fail, then one that lost it, then another that failed by itself.
    for rank, text, consequence in (
        (1, 'error: no disk', False),
        (0, 'lost', True),
        (2, 'x', False),
    ):
        file = tmp_path / f'{rank}.json'
        monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(file))
        say(text, consequence)
        ended[rank].error_file_data = json.loads(file.read_text())
    assert capsys.readouterr().err == ''
    message, status = describe(ended)
    assert message.splitlines() == [
        'error: no disk',
        'rank 1 (process 101) ended with status 2, and the other processes with it',
    ]
    assert status == 2
    monkeypatch.delenv('MSTA_RANKS')
    say('error: of a process of another launcher')
    assert capsys.readouterr().err == 'error: of a process of another launcher\n'


def test_the_launchers_reader_takes_what_was_said(tmp_path, monkeypatch):
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

    monkeypatch.setenv('MSTA_RANKS', '1')
    monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(tmp_path / 'error.json'))
    say('error: no disk')
    failure = ProcessFailure(0, 7, 2, str(tmp_path / 'error.json'))
    assert describe({0: failure})[0].startswith('error: no disk\n')


def test_a_python_without_torch_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'torch.distributed', None)
    assert main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: torch') and '.venv/bin/activate' in error
    assert error.count('\n') == 1
