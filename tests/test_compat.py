"""Each work-around is applied exactly where its fault is, and what it mends then works."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from projects.msta import compat

compat.apply()

from mmengine.fileio import FileClient  # noqa: E402
from mmengine.runner import CheckpointLoader  # noqa: E402

from projects.msta.archives import ArchiveError  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


def run_python(code: str, *search: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh interpreter, ``search`` standing before the installed packages."""
    folders = [str(folder) for folder in (*search, ROOT)]
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', f'import sys; sys.path[:0] = {folders!r}\n{code}'],
        capture_output=True,
        text=True,
        cwd='/',
        check=False,
    )


def printed(code: str, *search: Path) -> dict:
    """Give the JSON object that is the last line ``code`` prints."""
    done = run_python(code, *search)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def write_package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    return folder


@pytest.mark.parametrize(
    ('name', 'module', 'symptom'),
    [
        ('torchvision operators', 'torchvision', 'operator torchvision::nms does not exist'),
        ('mmaction drn', 'mmaction.models.localizers', 'mmaction.models.localizers.drn'),
    ],
)
def test_applied_exactly_if_the_bare_import_fails(name, module, symptom):
    # mmaction needs torchvision mended first; only the work-around under test is left out.
    bare = run_python(
        'from projects.msta import compat\n'
        f'del compat._WORK_AROUNDS[{name!r}]\n'
        f'import importlib; compat.apply(); importlib.import_module({module!r})'
    )
    fails = bare.returncode != 0
    if fails:
        assert symptom in bare.stderr
    applied = printed(
        'import json; from projects.msta import compat; print(json.dumps(compat.apply()))'
    )
    assert (name in applied) == fails


def test_everything_imports_afterwards_and_further_calls_change_nothing():
    result = printed(
        'import json\n'
        'from projects.msta import compat\n'
        'first = compat.apply()\n'
        'before = {n for n in sys.modules if "torchvision" in n or "drn" in n}\n'
        'second = compat.apply()\n'
        'after = {n for n in sys.modules if "torchvision" in n or "drn" in n}\n'
        'import mmpretrain.models, mmaction.models, mmaction.datasets, mmaction.evaluation\n'
        'import mmaction.apis, torchvision.transforms\n'
        'from mmengine.utils.dl_utils import collect_env\n'
        'from mmaction.registry import MODELS\n'
        'print(json.dumps(dict(same=first == second == compat.in_force(), still=before == after,\n'
        '    env="MMEngine" in collect_env(), recognizer=MODELS.get("Recognizer3D") is not None)))'
    )
    assert result == {'same': True, 'still': True, 'env': True, 'recognizer': True}


def test_an_absent_localizer_says_so_when_used():
    with pytest.raises(ImportError, match='mmaction2#2714'):
        compat._MissingDRN()


@pytest.mark.parametrize('has_drn', [True, False])
def test_drn_is_put_in_only_where_missing(tmp_path, has_drn):
    files = {'mmaction/__init__.py': '', 'mmaction/models/localizers/__init__.py': ''}
    if has_drn:
        files['mmaction/models/localizers/drn/__init__.py'] = ''
    result = printed(
        'import json; from projects.msta import compat\n'
        'applied = compat._mend_missing_drn()\n'
        'print(json.dumps(dict(applied=applied, '
        'stub="mmaction.models.localizers.drn.drn" in sys.modules)))',
        write_package(tmp_path, files),
    )
    assert result == {'applied': not has_drn, 'stub': not has_drn}


def test_a_working_torchvision_is_left_alone(tmp_path):
    package = write_package(
        tmp_path, {'torchvision/__init__.py': 'from . import ops', 'torchvision/ops.py': ''}
    )
    result = printed(
        'import json, torchvision; from projects.msta import compat\n'
        'ops = torchvision.ops\n'
        'applied = compat._mend_torchvision_operators()\n'
        'print(json.dumps(dict(applied=applied, same=sys.modules["torchvision.ops"] is ops)))',
        package,
    )
    assert result == {'applied': False, 'same': True}


def test_another_fault_of_torchvision_is_not_hidden(tmp_path):
    package = write_package(
        tmp_path, {'torchvision/__init__.py': 'raise RuntimeError("CUDA versions differ")'}
    )
    done = run_python('from projects.msta import compat; compat.apply()', package)
    assert done.returncode != 0 and 'CUDA versions differ' in done.stderr


@pytest.mark.parametrize(
    ('text', 'applied'),
    [('def apply_chunking_to_forward(): ...', False), ('class PreTrainedModel: ...', True)],
)
def test_multimodal_models_are_switched_off_only_for_a_newer_transformers(tmp_path, text, applied):
    package = write_package(
        tmp_path,
        {
            'transformers/__init__.py': '',
            'transformers/modeling_utils.py': text,
            'mmaction/__init__.py': '',
            'mmaction/utils/__init__.py': '',
            'mmaction/utils/dependency.py': 'WITH_MULTIMODAL = True',
            'mmpretrain/__init__.py': '',
            'mmpretrain/utils/__init__.py': '',
            'mmpretrain/utils/dependency.py': 'WITH_MULTIMODAL = False',
        },
    )
    result = printed(
        'import json; from projects.msta import compat\n'
        'applied = compat._mend_multimodal_switch()\n'
        'from mmaction.utils import dependency\n'
        'print(json.dumps(dict(applied=applied, on=dependency.WITH_MULTIMODAL)))',
        package,
    )
    assert result == {'applied': applied, 'on': not applied}


def test_a_missing_mmaction_names_the_command(tmp_path):
    done = run_python(
        'sys.path[:] = [p for p in sys.path if "site-packages" not in p]\n'
        'from projects.msta import compat; compat._mend_missing_drn()'
    )
    assert done.returncode != 0 and 'pip install -r requirements.txt' in done.stderr


def test_every_reason_names_its_upstream_report():
    for name, (_, reason) in compat._WORK_AROUNDS.items():
        assert '#' in reason or 'discuss.' in reason, name
    compat.patch_mmengine()
    compat.format_config_once()
    assert {'mmengine checkpoints', 'mmengine config text'} <= compat.in_force().keys()
    for name, reason in compat.in_force().items():
        assert '#' in reason or 'discuss.' in reason, name


def test_mmengine_reads_local_checkpoints_as_plain_data(tmp_path):
    whole, code = tmp_path / 'whole.pth', tmp_path / 'code.pth'
    torch.save({'state_dict': {'a': torch.ones(2)}}, whole)
    torch.save({'state_dict': Path('x')}, code)
    compat.patch_mmengine()
    loader = CheckpointLoader.load_checkpoint
    assert torch.equal(loader(str(whole), map_location='cpu')['state_dict']['a'], torch.ones(2))
    with pytest.raises(ArchiveError, match=r'code\.pth'):
        loader(str(code), map_location='cpu')
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(ArchiveError, match=r'whole\.pth'):
        loader(str(whole), map_location='cpu')


@pytest.mark.parametrize('module', ['hooks.checkpoint_hook', 'runner.checkpoint'])
def test_no_deprecated_client_is_made_unless_asked_for(module, monkeypatch, tmp_path):
    """Its warnings were the first lines of every training."""
    compat.patch_mmengine()
    made = []
    monkeypatch.setattr(FileClient, '__new__', lambda cls, *args, **named: made.append(args))
    client = importlib.import_module(f'mmengine.{module}').FileClient
    assert client.infer_client(None, str(tmp_path)) is None and not made
    client.infer_client({'backend': 'disk'}, str(tmp_path))
    assert made


def test_nothing_else_in_the_package_patches_a_foreign_package():
    """Assigning to an attribute of an imported foreign module, or replacing a registered loader."""
    foreign = ('mm', 'torch', 'numpy', 'transformers')
    found = []
    for path in sorted((ROOT / 'projects' / 'msta').rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        names = {
            (alias.asname or alias.name).split('.')[0]
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
            if (getattr(node, 'module', None) or alias.name).startswith(foreign)
            and not getattr(node, 'level', 0)
        }
        for node in ast.walk(tree):
            targets = getattr(node, 'targets', [getattr(node, 'target', None)])
            patched = isinstance(node, (ast.Assign, ast.AugAssign)) and any(
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id in names
                for target in targets
            )
            if patched or getattr(node, 'attr', '') == 'register_scheme':
                found.append(path.relative_to(ROOT / 'projects' / 'msta').as_posix())
    assert set(found) == {'compat.py'}
