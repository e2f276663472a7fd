"""`pip install -e .`: what pip is told, and a command from another folder."""

import re
import subprocess
import sys
from email.parser import Parser
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from projects.msta import __version__
from projects.msta.paths import ROOT

BUILD = (
    'import sys\nfrom setuptools import build_meta, find_packages\n'
    'build_meta.prepare_metadata_for_build_editable(sys.argv[1])\n'
    'print(*find_packages(include=["projects*", "benchmarks*"]))'
)


def test_pip_is_told_version_python_and_the_pins(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', BUILD, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (file,) = tmp_path.glob('*.dist-info/METADATA')
    told = Parser().parsestr(file.read_text())
    assert (told['Name'], told['Version']) == ('msta', __version__)
    assert told['Requires-Python'] == '==3.11.*'
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    pins = [line.split('#')[0].strip() for line in lines]
    asked = {str(Requirement(pin)) for pin in pins if pin}
    assert {str(Requirement(pin)) for pin in told.get_all('Requires-Dist')} == asked
    packages = done.stdout.splitlines()[-1].split()
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / 'projects').rglob('*.py')}
    assert {'.'.join(folder.parts) for folder in folders} <= set(packages)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == __version__


def test_a_name_of_a_config_is_enough_from_any_folder(tmp_path):
    code = (
        'from projects.msta.training.config import read_config\n'
        'print(read_config("msta_tiny_shapes").filename)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == ROOT / 'configs' / 'msta_tiny_shapes.py'


def test_make_refuses_another_python_at_once_and_installs_with_progress(tmp_path):
    other = tmp_path / 'python3.12'  # what make asks of an interpreter, as 3.12 answers it
    other.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.12.1\n[ "$1" != -c ]\n')
    other.chmod(0o755)
    venv = f'VENV={tmp_path / "venv"}'
    for python, words in (
        (other, f'Python 3.11 is needed, {other} is Python 3.12.1; name another'),
        ('python3.99', 'python3.99 not found; install Python 3.11, or name one'),
    ):
        for goal in ('setup', 'demo', 'test'):
            done = make(goal, venv, f'PYTHON={python}')
            assert done.returncode == 2 and not done.stdout
            assert done.stderr.startswith(f'error: {words}')
            assert done.stderr.count('\n') == 2  # and make's own line
    assert not (tmp_path / 'venv').exists()
    shown = make('-n', 'setup', venv, f'PYTHON={sys.executable}').stdout
    assert re.search(r'pip install (?!.*-q).*-r requirements.txt', shown)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ['make', '--no-print-directory', *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
