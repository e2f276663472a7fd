"""tools/train.py and tools/test.py on real files: alone, as two processes, killed and resumed."""

import json
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, config
from yapf.yapflib.yapf_api import FormatCode

from projects.msta.commands import train as train_tool
from projects.msta.models.checkpoints import read_checkpoint
from projects.msta.paths import ROOT
from projects.msta.training import launch, runners
from projects.msta.training.config import read_config

_runs = iter(range(1000))


def train(config: Path, work_dir: Path, *arguments: str, epochs: int = 4) -> dict:
    """Train in this process; give the last checkpoint."""
    options = [f'experiment_name=run{next(_runs)}', f'train_cfg.max_epochs={epochs}']
    args = [str(config), '--work-dir', str(work_dir), *arguments, '--cfg-options', *options]
    # As many threads as the processes it is compared with: they decide the order of sums.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_tool.run(train_tool.parser.parse_args(args))
    finally:
        torch.set_num_threads(threads)
    return last_checkpoint(work_dir, epochs)


def last_checkpoint(work_dir: Path, epochs: int = 4) -> dict:
    assert (work_dir / 'last_checkpoint').read_text().endswith(f'epoch_{epochs}.pth')
    return torch.load(work_dir / f'epoch_{epochs}.pth', weights_only=True)


def accuracy(config: Path, checkpoint: Path | str, work_dir: Path, **options) -> float:
    name = f'run{next(_runs)}'
    given = None if checkpoint == 'none' else checkpoint
    named = {'experiment_name': name}
    return launch.test(config, given, work_dir=work_dir, cfg_options=named, **options)['acc/top1']


def free_port() -> str:
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return str(sock.getsockname()[1])


def largest_difference(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    return max(
        (one[key].double() - other[key].double()).abs().max().item()
        for key in one
        if key.split('.')[-1] != '_extra_state'
    )


@pytest.fixture(scope='module')
def one_process(experiment, tmp_path_factory) -> Path:
    """The work folder of a run in one process, without random augmentation."""
    work_dir = tmp_path_factory.mktemp('one')
    train(experiment.fixed, work_dir)
    return work_dir


THREADS_AT_THE_END = """
import atexit, contextlib, runpy, sys
from pathlib import Path
from projects.msta import compat
compat.apply()

def threads():
    names = [path.read_text() for path in Path('/proc/self/task').glob('*/comm')]
    return sum('gloo' in name for name in names)

@atexit.register  # before what the tools register, so it runs after that
def say():
    print('threads of the group:', threads())

from projects.msta.models.checkpoints import read_checkpoint
from projects.msta.paths import ROOT
from projects.msta.training import launch, runners
from projects.msta.training.config import read_config
running = runners.running
@contextlib.contextmanager
def watched(cfg):
    try:
        with running(cfg) as runner:
            yield runner
    finally:
        print('threads at work:', threads() > 0)
launch.running = runners.running = watched

kind, *sys.argv[1:] = sys.argv[1:]
if kind == 'protocol':
    from projects.msta.protocols.evaluate import evaluate
    from projects.msta.protocols.processes import in_process
    in_process(evaluate)
    sys.exit()
runpy.run_path(kind, run_name='__main__')
"""


@pytest.mark.parametrize('use', ['train', 'failing', 'protocol'])
def test_no_thread_of_the_group_outlives_the_work(use, experiment, tmp_path):
    # One that does now and then aborts the process at its end, after all work is done.
    script = tmp_path / 'script.py'
    script.write_text(THREADS_AT_THE_END)
    options = ['--cfg-options', 'train_cfg.max_epochs=1']
    if use == 'failing':  # an error that the program did not foresee, out of the Runner
        options.append('model.cls_head.alpha=no_number')
    arguments: list[object] = [ROOT / 'tools' / 'train.py', experiment.fixed]
    arguments += ['--work-dir', tmp_path, '--launcher', 'pytorch', *options]
    if use == 'protocol':
        result = str(tmp_path / 'result.json')
        config = tmp_path / 'config.py'
        metric = "test_evaluator = [dict(type='MSTAMetric')]"
        config.write_text(f'_base_ = {str(experiment.fixed)!r}\n{metric}\n')
        job = {'config': str(config), 'checkpoint': None, 'result': result}
        job |= {'work_dir': str(tmp_path), 'identity': {}}
        jobs = {'launcher': 'pytorch', 'tests': [job]}
        (tmp_path / 'jobs.json').write_text(json.dumps(jobs))
        arguments = ['protocol', tmp_path / 'jobs.json']
    launcher = ['-m', 'torch.distributed.run', '--nproc_per_node=1', '--master_port', free_port()]
    done = subprocess.run(
        [sys.executable, *map(str, [*launcher, script, *arguments])],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert (done.returncode == 0) == (use != 'failing'), done.stdout
    assert 'threads at work: True' in done.stdout
    assert 'threads of the group: 0' in done.stdout


def test_no_worker_outlives_the_work(experiment, tmp_path):
    options = ['train_dataloader.num_workers=2', 'train_cfg.max_epochs=1']
    arguments = [str(experiment.fixed), '--work-dir', str(tmp_path), '--cfg-options', *options]
    train_tool.run(train_tool.parser.parse_args(arguments))
    assert not multiprocessing.active_children()


# MMEngine's.
PEP8 = {
    'style_config': {
        'based_on_style': 'pep8',
        'blank_line_before_nested_class_or_def': True,
        'split_before_expression_after_opening_paren': True,
    }
}


def test_a_config_is_laid_out_once_while_it_stays(experiment, tmp_path, monkeypatch):
    asked = []

    def lay_out(text: str, **options) -> tuple[str, bool]:
        asked.append(text)
        return FormatCode(text, **options)

    monkeypatch.setattr(config, 'FormatCode', lay_out)
    cfg = read_config(experiment.fixed)
    cfg.work_dir = str(tmp_path)
    with runners.running(cfg):  # which logs it and writes it down
        cfg.log_level = 'ERROR'
        plain = FormatCode(Config(cfg.to_dict(), format_python_code=False).pretty_text, **PEP8)[0]
        asked.clear()
        assert cfg.pretty_text == cfg.pretty_text == plain
        assert len(asked) == 1
        cfg.log_level = 'CRITICAL'
        assert "log_level = 'CRITICAL'" in cfg.pretty_text
        assert len(asked) == 2


def test_killed_and_resumed_equals_uninterrupted(experiment, tmp_path):
    straight = train(experiment.random, tmp_path / 'straight')
    killed = experiment.start('train.py', experiment.random, '--work-dir', tmp_path / 'killed')
    deadline = time.monotonic() + 300
    while not (tmp_path / 'killed' / 'epoch_2.pth').exists():
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / 'killed' / 'epoch_4.pth').exists()
    resumed = train(experiment.random, tmp_path / 'killed', '--resume')
    assert largest_difference(straight['state_dict'], resumed['state_dict']) == 0
    assert (
        resumed['message_hub']['runtime_info']['best_score']
        == (straight['message_hub']['runtime_info']['best_score'])
    )


def test_frozen_foundation_is_tested_without_a_checkpoint(experiment, one_process, tmp_path):
    dump = tmp_path / 'frozen.pkl'
    frozen = accuracy(experiment.fixed, 'none', tmp_path, dump=dump)
    trained = accuracy(experiment.fixed, one_process / 'epoch_4.pth', tmp_path)
    assert 0 <= frozen < trained
    samples = pickle.loads(dump.read_bytes())  # noqa: S301 - written two lines above
    hits = [int(s['pred_label'][0]) == int(s['gt_label'][0]) for s in samples]
    assert sum(hits) / 7 == pytest.approx(frozen)
    assert [path.name for path in tmp_path.glob('*.pkl')] == ['frozen.pkl']


def test_mixed_precision_trains_without_a_gpu(experiment, one_process, tmp_path):
    if torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    reduced = train(experiment.fixed, tmp_path, '--amp', epochs=2)['state_dict']
    full = torch.load(one_process / 'epoch_2.pth', weights_only=True)['state_dict']
    assert all(v.dtype in (torch.float32, torch.uint8) for v in reduced.values())
    # Eight steps of at most 0.01 each way: the same training, but not the same numbers.
    assert 0 < largest_difference(reduced, full) < 0.1


def test_labels_that_do_not_fit_stop_the_tool(experiment, tmp_path, capsys):
    labels = tmp_path / 'two.txt'
    labels.write_text('moving left\nspinning\n')
    args = [str(experiment.fixed), '--work-dir', str(tmp_path)]
    args += ['--cfg-options', f'model.labels={labels}']
    assert train_tool.main(args) == 2
    printed = capsys.readouterr().err
    assert 'error: ' in printed and 'Traceback' not in printed
    assert 'list.txt' in printed and 'label 2' in printed and '2 classes' in printed
    assert not list(tmp_path.glob('*.pth'))


def test_a_trained_checkpoint_is_enough_for_inference(experiment, tmp_path):
    """It carries labels, prompt and views: tools/infer.py and a test without labels take them."""
    from projects.msta.apis import MSTAInferencer

    train(experiment.fixed, tmp_path, epochs=1)
    path = tmp_path / 'epoch_1.pth'
    names = (experiment.folder / 'labels.txt').read_text().split('\n')[:-1]
    recipe = read_checkpoint(path).recipe
    assert recipe.labels == names and recipe.templates == ['a video of {}.']
    assert [step['type'] for step in recipe.test_pipeline][:2] == ['MSTAVideoInit', 'UniformSample']
    video = experiment.folder / 'videos' / 'clip 0.mp4'
    weights = experiment.folder / 'foundation.safetensors'
    with (
        MSTAInferencer(checkpoint=path, foundation=weights, device='cpu') as alone,
        MSTAInferencer(experiment.fixed, path, device='cpu') as told,
    ):
        assert alone(video)[0].scores == pytest.approx(told(video)[0].scores, abs=1e-6)
    accuracies = [
        launch.test(
            experiment.fixed, path, work_dir=tmp_path / str(len(options)), cfg_options=options
        )
        for options in ({}, {'model.labels': None})
    ]
    assert accuracies[0] == accuracies[1]
