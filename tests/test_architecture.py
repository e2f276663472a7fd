"""The floors of the package: who may import whom, no circles, what no floor may know.

``python -m tests.test_architecture`` prints files and lines per folder, and what breaks the rules.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'projects' / 'msta'
NAME = 'projects.msta'

# Lowest first: a module imports from its own folder and from those before it. Names on one line are
# of one height: `training` and `inference` do not know of `protocols`, nobody of `commands`.
ORDER = (
    'paths', 'files', 'spelling', 'locks', 'archives', 'labels', 'tokenizer', 'compat',
    'foundation', 'adapters', 'descriptions', 'models', 'datasets', 'evaluation', 'engine',
    'register', 'training', 'inference', 'collections', 'protocols', 'own_videos', 'apis',
    'commands',
)  # fmt: skip
# Besides the order: what a floor may not know although it comes before.
NEVER = {
    'adapters': {'descriptions', 'datasets'},
    'models': {'datasets'},
    'descriptions': {'foundation', 'adapters', 'models', 'compat'},
}
OPENMMLAB = {'mmengine', 'mmaction', 'mmcv', 'mmpretrain'}
FOREIGN = {
    'foundation': OPENMMLAB,
    'adapters': OPENMMLAB,
    'descriptions': OPENMMLAB | {'torch', 'torchvision'},
}


def modules() -> dict[str, Path]:
    """Dotted name below the package -> file; a package goes by its folder's name."""
    found = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(PACKAGE).with_suffix('').parts
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, wherever in it, and whether only for type checking.

    Names of the package begin with a dot.
    """
    tree = ast.parse(path.read_text(encoding='utf-8'))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith('TYPE_CHECKING')
        for statement in block.body
        for node in ast.walk(statement)
    }
    here = name.split('.') if path.stem == '__init__' and name else name.split('.')[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _own(alias.name), id(node) in typing_only
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = here[: len(here) - node.level + 1]
                module = '.' + '.'.join([*base, *(node.module or '').split('.')]).strip('.')
            else:
                module = _own(node.module or '')
            for alias in node.names:
                deeper = f'{module}.{alias.name}' if module != '.' else f'.{alias.name}'
                inside = module.startswith('.') and deeper[1:] in known
                yield (deeper if inside else module), id(node) in typing_only


def _own(module: str) -> str:
    if module == NAME or module.startswith(f'{NAME}.'):
        return '.' + module.removeprefix(NAME).removeprefix('.')
    return module


def floor(module: str) -> str:
    return module.lstrip('.').split('.')[0]


def against_the_order() -> set[str]:
    """``importer -> imported`` for every import that goes the wrong way."""
    known, wrong = modules(), set()
    for name, path in known.items():
        mine = floor(name)
        for module, _ in imports(name, path, known):
            if not module.startswith('.'):
                if module.split('.')[0] in FOREIGN.get(mine, ()):
                    wrong.add(f'{name} -> {module.split(".")[0]}')
                if module.split('.')[0] in ('tools', 'tests', 'benchmarks'):
                    wrong.add(f'{name} -> {module.split(".")[0]}')
                continue
            theirs = floor(module)
            if not name or not theirs or theirs == mine:
                continue
            later = ORDER.index(theirs) > ORDER.index(mine)
            if later or theirs in NEVER.get(mine, ()):
                wrong.add(f'{name} -> {module[1:]}')
    return wrong


def circles() -> set[str]:
    """Groups of modules that import each other, imports inside functions counted."""
    known = modules()
    graph = {
        name: {m[1:] for m, typed in imports(name, path, known) if m.startswith('.') and not typed}
        for name, path in known.items()
    }
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = set()

    def visit(name: str) -> None:  # Tarjan's strongly connected components
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name] & graph.keys()):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            group = []
            while not group or group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.add(' <-> '.join(sorted(group)))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def below_commands(pattern: str) -> set[str]:
    """Modules below ``commands`` whose text matches, as ``module: what``."""
    return {
        f'{name}: {found[0]}'
        for name, path in modules().items()
        if floor(name) != 'commands'
        for found in re.finditer(pattern, path.read_text(encoding='utf-8'), re.M)
    }


ARGPARSE = r'\bargparse\b|\bNamespace\b'


def too_long() -> set[str]:
    """Files of more than 300 lines, of the package, the benchmarks and the tools."""
    files = [*PACKAGE.rglob('*.py'), *ROOT.glob('benchmarks/*.py'), *ROOT.glob('tools/**/*.py')]
    return {
        f'{path.relative_to(ROOT)} has more than 300 lines' for path in files if lines(path) > 300
    }


def lines(path: Path) -> int:
    return path.read_text(encoding='utf-8').count('\n')


def test_every_folder_has_its_place():
    floors = {floor(name) for name in modules()} - {'', 'data'}
    assert floors <= set(ORDER), floors - set(ORDER)


def test_no_import_goes_against_the_order():
    assert against_the_order() == set()


def test_no_modules_import_each_other():
    assert circles() == set()


def test_only_commands_know_of_argparse():
    assert below_commands(ARGPARSE) == set()


def test_no_file_is_longer_than_300_lines():
    assert too_long() == set()


def test_imports_of_the_package_are_relative():
    assert absolute() == set()


def absolute() -> set[str]:
    """Modules that name the package in an import statement."""
    return {
        f'{name} imports {NAME} by name'
        for name, path in modules().items()
        if re.search(rf'^\s*(from|import) {re.escape(NAME)}\b', path.read_text('utf-8'), re.M)
    }


def test_a_wrong_import_would_be_seen(tmp_path):
    """The reading itself: every form of import, and its place."""
    path = tmp_path / 'x.py'
    path.write_text(
        'from __future__ import annotations\n'
        'from typing import TYPE_CHECKING\n'
        'from ..commands import infer\n'
        'from .plan import Plan\n'
        'import projects.msta.labels\n'
        'if TYPE_CHECKING:\n    from ..models.classes import Classes\n'
        'def f():\n    from .. import compat\n'
    )
    known = dict.fromkeys(['commands.infer', 'protocols.plan', 'labels', 'compat'], path)
    found = {m: typed for m, typed in imports('protocols.x', path, known) if m.startswith('.')}
    assert found == {
        '.commands.infer': False,
        '.protocols.plan': False,
        '.labels': False,
        '.models.classes': True,
        '.compat': False,
    }


def table() -> str:
    """Files and lines of each folder of the package, and what goes against the order."""
    rows: dict[str, list[int]] = defaultdict(list)
    for path in PACKAGE.rglob('*.py'):
        parts = path.relative_to(PACKAGE).parts[:-1]
        rows['/'.join(parts) or '(the package itself)'].append(lines(path))
    out = [f'{"folder":<28}{"files":>6}{"lines":>8}{"longest":>9}']
    for name, counts in sorted(rows.items()):
        out.append(f'{name:<28}{len(counts):>6}{sum(counts):>8}{max(counts):>9}')
    counts = [n for row in rows.values() for n in row]
    out.append(f'{"together":<28}{len(counts):>6}{sum(counts):>8}{max(counts):>9}')
    for folder in ('benchmarks', 'tools', 'configs', 'tests'):
        counts = [lines(path) for path in (ROOT / folder).rglob('*.py')]
        out.append(f'{folder + " (beside it)":<28}{len(counts):>6}{sum(counts):>8}{max(counts):>9}')
    for title, found in (
        ('imports against the order', against_the_order()),
        ('import circles', circles()),
        ('argparse below commands', below_commands(ARGPARSE)),
        ('files of more than 300 lines', too_long()),
    ):
        out += ['', f'{title}: {len(found)}', *(f'  {one}' for one in sorted(found))]
    return '\n'.join(out)


def test_the_map_names_files_that_exist():
    named = set(
        re.findall(r'`([\w/]+\.py|[\w/]+/)`', (ROOT / 'docs' / 'architecture.md').read_text())
    )
    gone = [name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())]
    assert len(named) > 40 and not gone


if __name__ == '__main__':
    print(table())
