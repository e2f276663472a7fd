"""Arguments, and errors that a user can act on: one line, status 2, nothing left behind."""

import argparse
import os
import resource
import runpy
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from projects.msta.commands import common
from projects.msta.commands import test as test_tool
from projects.msta.commands import train as train_tool
from projects.msta.labels import LabelError
from projects.msta.training import launch
from projects.msta.training.config import ConfigError

ROOT = Path(__file__).resolve().parents[2]


TOOLS = ['train', 'test', 'doctor', 'demo', 'run_protocol', 'compare_methods', 'benchmark']
TOOLS += ['pretrain_tiny', 'data/check', 'data/from_folder', 'data/make_shapes', 'data/make_splits']


@pytest.mark.parametrize('tool', [f'{name}.py' for name in TOOLS])
def test_help_is_quick_and_loads_no_torch(tool):
    code = (
        f'import runpy, sys; sys.argv = ["{tool}", "--help"]\n'
        'try: runpy.run_path(sys.argv[0], run_name="__main__")\n'
        'except SystemExit as end: assert not end.code\n'
        'assert not {"torch", "mmengine", "mmaction"} & set(sys.modules), "heavy import"'
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        cwd=ROOT / 'tools',
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('usage:')
    # Processor time: the clock on the wall also shows what else the machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def asked(tool, function: str, monkeypatch, *arguments: object) -> dict:
    """The keywords that a command line calls a function of ``launch`` with."""
    found: dict = {}

    def function_(**keywords) -> None:
        found.update(keywords)

    monkeypatch.setattr(launch, function, function_)
    assert tool.main([str(argument) for argument in arguments]) == 0
    return found


def test_arguments_reach_the_config(experiment, tmp_path, monkeypatch):
    arguments = ['--seed', 7, '--deterministic', '--auto-scale-lr', '--no-validate']
    arguments += ['--cfg-options', 'train_cfg.max_epochs=9', 'model.cls_head.alpha=0.5']
    arguments += ['--work-dir', tmp_path]
    found = asked(train_tool, 'train', monkeypatch, experiment.fixed, *arguments)
    config = found.pop('config')
    assert not found.pop('amp') and found.pop('local_rank') == 0
    before = dict(os.environ)
    cfg = launch.make_train_config(config, **found)
    os.environ.pop('CUBLAS_WORKSPACE_CONFIG')
    assert dict(os.environ) == before
    assert cfg.randomness == dict(seed=7, diff_rank_seed=False, deterministic=True)
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=2)
    assert cfg.val_cfg is cfg.val_dataloader is cfg.val_evaluator is None
    assert cfg.train_cfg.max_epochs == 9 and cfg.model.cls_head.alpha == 0.5
    assert cfg.work_dir == str(tmp_path) and not cfg.resume


def test_the_configs_seed_stays_unless_given(experiment):
    cfg = launch.make_train_config(experiment.fixed)
    assert cfg.randomness.seed == 2048


def test_work_folder_is_the_command_lines_then_the_configs_then_one_in_the_repository(experiment):
    cfg = launch.make_test_config(experiment.fixed, None)
    assert cfg.work_dir == str(ROOT / 'work_dirs' / 'fixed')
    assert cfg.load_from is None and not cfg.resume


def test_resume_takes_the_newest_whole_checkpoint(tmp_path):
    for epoch in (1, 2, 10):
        with zipfile.ZipFile(tmp_path / f'epoch_{epoch}.pth', 'w') as file:
            file.writestr('data', b'x' * 100)
    (tmp_path / 'last_checkpoint').write_text('/moved/from/elsewhere/epoch_2.pth')
    assert launch.find_resumable(tmp_path, 'auto') == str(tmp_path / 'epoch_2.pth')
    (tmp_path / 'last_checkpoint').write_text('')
    assert launch.find_resumable(tmp_path, 'auto') == str(tmp_path / 'epoch_10.pth')
    (tmp_path / 'epoch_10.pth').write_bytes((tmp_path / 'epoch_10.pth').read_bytes()[:60])
    assert launch.find_resumable(tmp_path, 'auto') == str(tmp_path / 'epoch_2.pth')
    assert launch.find_resumable(tmp_path / 'empty', 'auto') is None


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['CONFIG', '--resume', 'gone.pth'], 'no checkpoint gone.pth'),
        (['DIR/fixd.py'], 'there is fixed.py'),
        (['DIR/broken.py'], 'broken.py cannot be read'),
        (['CONFIG', '--launcher', 'slurm'], 'needs GPUs'),
        (['CONFIG', '--launcher', 'pytorch'], 'tools/dist_train.sh'),
        (['CONFIG', '--cfg-options', 'model.type=Nothing'], "no model is called 'Nothing'"),
        (['CONFIG', '--cfg-options', 'model.colour=1'], "'colour'"),
        (['CONFIG', '--cfg-options', 'train_dataloader.dataset.ann_file=/no/list'], '/no/list'),
        (['CONFIG', '--cfg-options', 'model.backbone.foundation.checkpoint=/no/w'], '/no/w'),
        (['CONFIG', '--amp', '--cfg-options', 'optim_wrapper.type=Mine'], 'Mine'),
        (['CONFIG', '--auto-scale-lr', '--cfg-options', 'x=1'], None),
    ],
)
def test_training_errors(experiment, tmp_path, capsys, monkeypatch, arguments, words):
    if torch.cuda.is_available() and '--launcher' in arguments:
        pytest.skip('this machine has a GPU')
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR'):
        monkeypatch.delenv(name, raising=False)
    (experiment.folder / 'broken.py').write_text('model = dict(\n')
    places = {'CONFIG': str(experiment.fixed), 'DIR': str(experiment.folder)}
    arguments = [
        a.replace('CONFIG', places['CONFIG']).replace('DIR', places['DIR']) for a in arguments
    ]
    if words is None:
        config = experiment.folder / 'unscaled.py'
        config.write_text(experiment.fixed.read_text().split('auto_scale_lr')[0])
        arguments[0], words = str(config), 'auto_scale_lr=dict(base_batch_size=...)'
    args = [*arguments[:1], '--work-dir', str(tmp_path / 'w'), *arguments[1:]]
    assert train_tool.main(args) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert [line for line in printed.splitlines() if line.startswith('error: ')]
    assert 'Traceback' not in printed
    assert not list(tmp_path.rglob('*.pth'))


def test_testing_errors(experiment, tmp_path, capsys):
    cut_off = tmp_path / 'cut.pth'
    torch.save({'state_dict': {}}, cut_off)
    cut_off.write_bytes(cut_off.read_bytes()[:-40])
    foreign = tmp_path / 'foreign.pth'
    torch.save({'state_dict': {'fc.weight': torch.ones(1)}}, foreign)
    hostile = tmp_path / 'hostile.pth'
    torch.save({'state_dict': {}, 'meta': argparse.Namespace(a=1)}, hostile)
    for arguments, words in (
        ([tmp_path / 'epoch_9.pth'], 'has cut.pth, foreign.pth, hostile.pth'),
        ([cut_off], 'cut off'),
        ([foreign], 'not a checkpoint of this project'),
        ([hostile], 'could run code'),
        (['none', '--dump', 'predictions.json'], 'must end in .pkl'),
    ):
        args = [experiment.fixed, *arguments, '--work-dir', tmp_path / 'w']
        assert test_tool.main([str(argument) for argument in args]) == 2
        printed = capsys.readouterr().err
        assert words in printed and 'Traceback' not in printed


def test_descriptions_are_for_training_alone(experiment):
    config = experiment.folder / 'described.py'
    config.write_text("_base_ = './fixed.py'\nmodel = dict(descriptions='/not/here.json')\n")
    assert launch.make_test_config(config, None).model.descriptions is None
    assert launch.make_train_config(config).model.descriptions == '/not/here.json'


def test_a_misspelt_option_is_refused(experiment):
    with pytest.raises(ConfigError, match=r"no 'modle' .did you mean 'model'"):
        launch.make_test_config(experiment.fixed, None, cfg_options={'modle.x': '1'})


def test_malformed_options_are_an_error_of_usage(experiment, capsys):
    with pytest.raises(SystemExit) as end:
        train_tool.main([str(experiment.fixed), '--cfg-options', 'no-equals-sign'])
    assert end.value.code == 2 and 'KEY=VALUE' in capsys.readouterr().err


def raise_it(error: BaseException):
    def task():
        raise error

    return task


def test_faults_keep_their_stack_trace_and_users_errors_on_request(capsys, monkeypatch):
    assert common.run_tool(raise_it(ZeroDivisionError('x'))) == 1
    assert 'Traceback' in capsys.readouterr().err
    assert common.run_tool(raise_it(LabelError('two classes'))) == 2
    assert capsys.readouterr().err == 'error: two classes\n'
    assert common.run_tool(raise_it(LabelError('two classes')), True) == 1
    assert 'Traceback' in capsys.readouterr().err
    monkeypatch.setenv('MSTA_DEBUG', '1')
    assert common.run_tool(raise_it(LabelError('two classes'))) == 1
    assert 'Traceback' in capsys.readouterr().err
    assert common.run_tool(raise_it(KeyboardInterrupt())) == 130


class _Broken(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int):
        raise LabelError('clip.mp4: label 9 is out of range')


def test_an_error_in_a_loaders_worker_is_one_line(capsys):
    def task():
        next(iter(DataLoader(_Broken(), num_workers=1)))

    assert common.run_tool(task) == 2
    assert capsys.readouterr().err == 'error: clip.mp4: label 9 is out of range\n'


@pytest.mark.parametrize(
    ('script', 'arguments'),
    [('dist_train.sh', 1), ('dist_test.sh', 2), ('slurm_train.sh', 2), ('slurm_test.sh', 3)],
)
def test_scripts_say_what_they_want(experiment, script, arguments):
    done = experiment.tool(script, *['x'] * arguments)
    assert done.returncode == 2 and done.stderr.startswith('usage:')


def test_slurm_scripts_hand_their_arguments_to_srun(experiment, tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nfor a in "$@"; do echo "[$a]"; done\n')
    srun.chmod(0o755)
    env = {'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'GPUS': '4', 'GPUS_PER_NODE': '2'}
    done = experiment.tool('slurm_train.sh', 'part', 'job', 'a config.py', '--amp', env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {'[--ntasks=4]', '[--gres=gpu:2]', '[a config.py]', '[--amp]'} <= set(lines)
    assert lines[-2:] == ['[--launcher=slurm]', '[--amp]']
    done = experiment.tool('slurm_test.sh', 'part', 'job', 'config.py', 'x.pth', env=env)
    assert done.stdout.splitlines()[-3:] == ['[config.py]', '[x.pth]', '[--launcher=slurm]']


def test_an_interrupted_import_and_a_closed_pipe_leave_no_trace(tmp_path):
    code = (
        'import sys; sys.path.insert(0, sys.argv[1])\n'
        'from projects.msta.commands import common\n'
        'def interrupted(): raise KeyboardInterrupt\n'
        'def speaks(): print("line\\n" * 200000)\n'
        'sys.exit(common.run_tool(locals()[sys.argv[2]]))'
    )
    command = f"{sys.executable} -c '{code}' {ROOT}"
    done = subprocess.run(['bash', '-c', f'{command} speaks | head -1'], capture_output=True)
    assert done.stdout == b'line\n' and done.stderr == b''
    done = subprocess.run(['bash', '-c', f'{command} interrupted'], capture_output=True)
    assert done.returncode == 130 and done.stderr == b'interrupted\n'


def test_text_that_a_terminal_cannot_show_does_not_end_a_tool():
    code = (
        f'import sys; sys.path.insert(0, {str(ROOT)!r})\n'
        'from projects.msta.commands.common import run_tool\n'
        'sys.exit(run_tool(lambda: print("\u30af\u30e9\u30b9")))'
    )
    env = {'PYTHONIOENCODING': 'ascii', 'PATH': os.environ['PATH']}
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, check=True)
    assert done.stdout == b'\\u30af\\u30e9\\u30b9\n'


def test_a_package_that_is_missing_is_named_with_the_remedy(capsys, monkeypatch):
    monkeypatch.setattr(sys, 'prefix', '/usr')  # not the project's own environment

    def task():
        import package_that_is_not_there  # noqa: F401

    assert common.run_tool(task) == 2
    error = capsys.readouterr().err
    assert 'package_that_is_not_there is not installed' in error and '.venv/bin/activate' in error
    missing = ModuleNotFoundError('x', name='projects.msta.gone')
    assert common.explain(missing) is None  # a fault of the program


def test_another_python_is_refused_at_once(monkeypatch, capsys):
    from projects.msta import commands

    monkeypatch.setattr(sys, 'version_info', (3, 12, 1, 'final', 0))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(commands.__file__)
    error = capsys.readouterr().err
    assert end.value.code == 2 and 'Python 3.11 is needed, this is 3.12' in error
    assert error.count('\n') == 1


def test_an_optional_package_of_mmengine_is_asked_for_in_one_line(experiment, tmp_path, capsys):
    if find_spec('tensorboard') or find_spec('tensorboardX'):
        pytest.skip('TensorBoard is installed')
    backends = 'visualizer.vis_backends=[{"type":"TensorboardVisBackend"}]'
    args = [experiment.fixed, '--work-dir', tmp_path / 'work', '--cfg-options', backends]
    assert train_tool.main([str(argument) for argument in args]) == 2
    assert 'tensorboard' in capsys.readouterr().err
    assert not (tmp_path / 'work').exists()
