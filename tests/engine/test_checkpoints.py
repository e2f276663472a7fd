"""Files are safe to load, always whole, and enough to continue as if nothing had happened."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from projects.msta.engine.checkpoints import to_plain
from tests.engine import toy_run
from tests.engine.toy_run import make_config, train, weights


@pytest.fixture(scope='module')
def straight(tmp_path_factory) -> dict[int, dict]:
    """The uninterrupted run, its augmentations drawn in the process and in two workers."""
    folder = tmp_path_factory.mktemp('straight')
    return {workers: train(folder / str(workers), workers=workers) for workers in (0, 2)}


@pytest.mark.parametrize(('workers', 'kill'), [(0, 'train:2'), (2, 'train:2'), (0, 'val:3')])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, straight, workers, kill):
    command = [sys.executable, '-W', 'ignore', toy_run.__file__, tmp_path, str(workers), kill]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    resumed = train(tmp_path, workers=workers, resume=True)
    assert resumed == straight[workers]
    assert len(resumed['accuracy']) == 4


def test_workers_change_nothing(straight):
    assert straight[0] == straight[2]


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


FULL_DISK = """
import resource, signal, sys
sys.path.insert(0, {root!r})
from tests.engine.toy_run import make_config
from mmengine.runner import Runner
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from pathlib import Path

@HOOKS.register_module()
class FullDisk(Hook):
    def before_train_epoch(self, runner):
        if runner.epoch == 2:  # files may not grow beyond 1 kB from here on
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

cfg = make_config(Path({work_dir!r}), epochs=4)
cfg.default_hooks.checkpoint.max_keep_ckpts = 1
cfg.default_hooks.logger = None
cfg.custom_hooks = [*cfg.custom_hooks, dict(type='FullDisk')]
Runner.from_cfg(cfg).train()
"""


def test_a_save_that_fails_half_way_leaves_the_previous_file(tmp_path, straight):
    work_dir = tmp_path / 'run'
    code = FULL_DISK.format(root=str(toy_run.ROOT), work_dir=str(work_dir))
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True
    )
    assert done.returncode != 0 and 'File too large' in done.stderr
    last = Path((work_dir / 'last_checkpoint').read_text())
    assert last.name == 'epoch_2.pth'
    assert torch.load(last, weights_only=True)['meta']['epoch'] == 2
    assert not (work_dir / 'epoch_3.pth').exists()
    assert train(work_dir, resume=True)['weights'] == straight[0]['weights']


def test_text_and_bytes_replace_whole_files(tmp_path):
    backend = get_file_backend(backend_args={'backend': 'atomic_local'})
    target = tmp_path / 'new' / 'file.txt'
    backend.put_text('héllo', target)
    assert target.read_text(encoding='utf-8') == 'héllo'
    with pytest.raises(TypeError):
        backend.put('not bytes', target)
    assert target.read_text(encoding='utf-8') == 'héllo'
    assert [path.name for path in target.parent.iterdir()] == ['file.txt']
