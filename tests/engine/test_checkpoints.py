"""Files are safe to load, always whole, and enough to continue as if nothing had happened."""

import multiprocessing
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from projects.msta.engine.checkpoints import to_plain
from tests.engine.toy_run import make_config, train, weights


@pytest.fixture(scope='module')
def straight(tmp_path_factory) -> dict:
    """The uninterrupted run."""
    return train(tmp_path_factory.mktemp('straight'))


def ending(task: Callable[..., object], *arguments: object) -> int | None:
    """Run a task in a fork of this process; give its exit status."""
    fork = multiprocessing.get_context('fork').Process(target=task, args=arguments)
    fork.start()
    fork.join(240)
    return fork.exitcode


@pytest.mark.parametrize('kill', ['train:2', 'val:3'])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, straight, kill):
    assert ending(train, tmp_path, 0, False, kill) == -signal.SIGKILL
    resumed = train(tmp_path, resume=True)
    assert resumed == straight
    assert len(resumed['accuracy']) == 4


@pytest.fixture
def trained(tmp_path):
    runner = Runner.from_cfg(make_config(tmp_path / 'run', epochs=2))
    runner.train()
    return runner


def test_every_file_loads_without_running_code_and_keeps_the_histories(trained):
    files = sorted(Path(trained.work_dir).glob('*.pth'))
    assert {file.name for file in files} >= {'epoch_1.pth', 'epoch_2.pth'}
    for file in files:
        loaded = torch.load(file, weights_only=True)
        assert isinstance(loaded['message_hub']['log_scalars']['train/loss'], dict)
    resumed = Runner.from_cfg(make_config(Path(trained.work_dir), epochs=2, resume=True))
    resumed.train()
    kept = resumed.message_hub.log_scalars['train/loss']
    history = trained.message_hub.log_scalars['train/loss']
    assert isinstance(kept, HistoryBuffer)
    for ours, theirs in zip(kept.data, history.data, strict=True):
        assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    assert weights(resumed) == weights(trained)


def test_a_value_that_could_not_be_read_back_is_named():
    class Thing:
        pass

    with pytest.raises(TypeError, match=r"checkpoint\['meta'\]\['x'\]\[1\] holds a Thing"):
        to_plain({'meta': {'x': [1, Thing()]}})


def test_plain_values():
    value = {
        'a': np.float64(0.5),
        'b': np.arange(2),
        'c': (Path('x'), None, True),
        'd': torch.ones(1),
    }
    plain = to_plain(value)
    assert type(plain['a']) is float and plain['b'] == [0, 1] and plain['c'] == ('x', None, True)
    assert plain['d'] is value['d']


def test_only_the_wanted_number_of_files_stays(tmp_path):
    cfg = make_config(tmp_path / 'run', epochs=4)
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    names = {file.name for file in Path(runner.work_dir).glob('*.pth')}
    assert 'epoch_4.pth' in names
    assert len([name for name in names if name.startswith('epoch')]) == 1
    assert len([name for name in names if name.startswith('best')]) == 1
    assert not list(Path(runner.work_dir).glob('.*partial'))


@HOOKS.register_module(force=True)
class FullDisk(Hook):
    """Lets no file grow beyond 1 kB after two epochs."""

    def before_train_epoch(self, runner):
        if runner.epoch == 2:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def train_to_a_full_disk(work_dir: Path) -> None:
    cfg = make_config(work_dir)
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    cfg.default_hooks.logger = None
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='FullDisk')]
    Runner.from_cfg(cfg).train()


def test_a_save_that_fails_half_way_leaves_the_previous_file(tmp_path, straight, capfd):
    work_dir = tmp_path / 'run'
    assert ending(train_to_a_full_disk, work_dir) == 1
    assert 'File too large' in capfd.readouterr().err
    last = Path((work_dir / 'last_checkpoint').read_text())
    assert last.name == 'epoch_2.pth'
    assert torch.load(last, weights_only=True)['meta']['epoch'] == 2
    assert not (work_dir / 'epoch_3.pth').exists()
    assert train(work_dir, resume=True)['weights'] == straight['weights']


def test_text_and_bytes_replace_whole_files(tmp_path):
    backend = get_file_backend(backend_args={'backend': 'atomic_local'})
    target = tmp_path / 'new' / 'file.txt'
    backend.put_text('héllo', target)
    assert target.read_text(encoding='utf-8') == 'héllo'
    with pytest.raises(TypeError):
        backend.put('not bytes', target)
    assert target.read_text(encoding='utf-8') == 'héllo'
    assert [path.name for path in target.parent.iterdir()] == ['file.txt']
