"""Every command line and Python block of the README and the pages: what they name exists.

Blocks that run in full are in the tests of their subject (``tests/*/test_docs.py``, the inferencer,
the export).
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from projects.msta import apis
from projects.msta.paths import ROOT

PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
# Processes of a launcher: what comes before the arguments of the tool.
LAUNCHERS = {
    'dist_train.sh': ('train', [1]),
    'dist_test.sh': ('test', [2]),
    'slurm_train.sh': ('train', [0, 1]),
    'slurm_test.sh': ('test', [0, 1]),
}


def lines_of(page: Path) -> list[str]:
    """The lines of a page's code blocks, fenced or indented, those that go on joined."""
    text = page.read_text(encoding='utf-8')
    text = re.sub(r'^ *```python\n.*?^ *```', '', text, flags=re.M | re.S).replace('\\\n', ' ')
    fenced = re.findall(r'^ *```\w*\n(.*?)^ *```', text, re.M | re.S)
    lines = [line for block in fenced for line in block.splitlines()]
    lines += re.findall(r'^ {4,}.*$', text, re.M)
    return list(dict.fromkeys(line.strip() for line in lines))


def commands_of(page: Path) -> list[tuple[str, list[str]]]:
    """Tool and arguments of each command line; a synopsis's optional part, in [], is left out."""
    found = []
    for line in lines_of(page):
        match = re.match(r'(?:python )?tools/([\w/]+\.(?:py|sh))\b(.*)', line)
        if match:
            written = re.sub(r'\s\[.*', '', match[2]) if ' [' in match[2] else match[2]
            # docs/ablations.md: a line of its tables
            written = re.sub(r'--cfg-options LINE$', '--cfg-options KEY=VALUE', written.strip())
            found.append((match[1], shlex.split(written, comments=True)))
    return found


def parser_of(tool: str) -> argparse.ArgumentParser:
    """The parser that a tool reads its command line with."""
    source = (ROOT / 'tools' / tool).read_text(encoding='utf-8')
    (module, name) = re.findall(r'^from (\S+) import (\w+)', source, re.M)[-1]
    loaded = importlib.import_module(module)
    return getattr(loaded, 'parser', None) or getattr(loaded, f'{name.partition("_")[0]}_parser')


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {name for sub in action.choices.values() for name in options_of(sub)}
    return found


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_the_tools_take_the_command_lines(page, capsys):
    refused = []
    for tool, given in commands_of(page):
        if tool in LAUNCHERS:
            tool, left_out = LAUNCHERS[tool]
            given = [word for index, word in enumerate(given) if index not in left_out]
            tool = f'{tool}.py'
        try:
            parser_of(tool).parse_args(given)
        except SystemExit:
            refused.append(f'tools/{tool} {shlex.join(given)}: {capsys.readouterr().err}')
    assert not refused, '\n'.join(refused)


def test_the_command_lines_are_found():
    found = {page.name: len(commands_of(page)) for page in PAGES}
    assert found['README.md'] >= 8 and found['inference.md'] >= 12 and found['data.md'] >= 18
    assert sum(found.values()) > 70


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_tools_modules_and_options_named_in_the_text_exist(page):
    text = page.read_text(encoding='utf-8')
    named = re.findall(r'\btools/[\w/]+\.(?:py|sh)', text)
    missing = {name for name in named if not (ROOT / name).is_file()}
    for module in re.findall(r'python3? -m ((?:benchmarks|tests|projects)[\w.]*)', text):
        if find_spec(module.rstrip('.')) is None:
            missing.add(module)
    for tool, rest in re.findall(r'`tools/([\w/]+\.py) ([^`\n]*--[^`\n]*)`', text):
        known = options_of(parser_of(tool))
        missing |= {f'{tool} {name}' for name in re.findall(r'--[a-z][\w-]*', rest)} - {
            f'{tool} {name}' for name in known
        }
    for link in re.findall(r'\]\((?!https?:|#)([^)#\s]+)', text):
        if not (page.parent / link).exists():
            missing.add(link)
    assert not missing


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_python_blocks_compile_and_import_what_exists(page):
    for block in re.findall(r'```python\n(.*?)```', page.read_text(encoding='utf-8'), re.S):
        tree = ast.parse(block, str(page))
        imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        exec(compile(ast.Module(imports, []), str(page), 'exec'), {})


def test_the_calls_of_own_videos_take_these_arguments():
    page = (ROOT / 'docs' / 'own_videos.md').read_text(encoding='utf-8')
    (block,) = re.findall(r'```python\n(.*?)```', page, re.S)
    (call,) = [
        node for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'adapt'
    ]  # fmt: skip
    given = [ast.literal_eval(node) for node in call.args]
    named = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    assert inspect.signature(apis.adapt).bind(*given, **named).arguments['out'] == 'work_dirs/mine'
