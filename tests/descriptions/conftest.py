"""A server with a language model's manners and faults, and the tool pointed at it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from projects.msta.commands import gen_descriptions
from tests.descriptions.answers import KEY_IN_ANSWERS
from tests.descriptions.server import LanguageModelServer

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'gen_descriptions.py'
KEY = KEY_IN_ANSWERS


@dataclass
class Ran:
    """A finished run of the tool."""

    status: int
    out: str
    err: str


@pytest.fixture
def server():
    with LanguageModelServer() as running:
        yield running


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / 'labels.txt'
    path.write_text('abseiling\nair drumming\nApplyEyeMakeup\nbaking cookies\n', encoding='utf-8')
    return path


@pytest.fixture
def tool(tmp_path, server, labels, monkeypatch, capfd):
    """Run the tool in this process on ``labels`` and ``out.json``; more arguments may follow."""
    monkeypatch.setenv('OPENAI_API_KEY', KEY)
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '1700000000')
    usual = ['--labels', str(labels), '--out', str(tmp_path / 'out.json'), '--model', 'writer',
             '--base-url', server.url, '--timeout', '30']  # fmt: skip

    def run(*arguments, usual=usual):
        capfd.readouterr()
        try:
            status = gen_descriptions.main([*usual, *map(str, arguments)])
        except SystemExit as stop:
            status = stop.code
        captured = capfd.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


def start_tool(url, labels, out, *arguments, before=None, **environment):
    """Start the tool as a process of its own."""
    usual = ['--labels', labels, '--out', out, '--model', 'writer', '--base-url', url]
    command = [sys.executable, TOOL, *usual, *arguments]
    settings = {'OPENAI_API_KEY': KEY, 'SOURCE_DATE_EPOCH': '1700000000', **environment}
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=out.parent,
        env={**os.environ, **settings},
        preexec_fn=before,
    )
