"""SIGTERM and SIGINT: a checkpoint, an exit status, and the same training as without them."""

import os
import signal
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from projects.msta.engine.interruption import FILENAME, ResumeError, restore_signals
from projects.msta.training.launch import find_resumable
from tests.engine.toy_run import make_config, train, weights

# Of three iterations an epoch: within an epoch, at its end, and in its validation.
WITHIN, END, VALIDATION = ('train', 4), ('train', 5), ('val', 2)


@HOOKS.register_module(force=True)
class Signaller(Hook):
    """Sends this process a signal in an iteration of training, or in an epoch's validation."""

    def __init__(self, stage: str, when: int, number: int = signal.SIGTERM):
        self.stage, self.when, self.number = stage, when, number

    def before_train_iter(self, runner, **kwargs):
        if self.stage == 'train' and runner.iter == self.when:
            os.kill(os.getpid(), self.number)

    def before_val_iter(self, runner, **kwargs):
        if self.stage == 'val' and runner.epoch == self.when:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope='module')
def straight(tmp_path_factory) -> dict[int, dict]:
    folder = tmp_path_factory.mktemp('straight')
    return {workers: train(folder / str(workers), workers=workers) for workers in (0, 2)}


def run(work_dir: Path, workers: int = 0, resume: bool = False, *signals: dict) -> Runner:
    cfg = make_config(work_dir, workers=workers, resume=resume)
    if resume:
        cfg.load_from = find_resumable(work_dir, 'auto')
    cfg.custom_hooks = [*cfg.custom_hooks, *(dict(type='Signaller', **each) for each in signals)]
    runner = Runner.from_cfg(cfg)
    try:
        runner.train()
    finally:
        restore_signals()
    return runner


def outcome(runner: Runner) -> dict:
    accuracy = runner.message_hub.log_scalars['val/acc'].data[0].tolist()
    best = Path(runner.message_hub.get_info('best_ckpt')).name
    return {'weights': weights(runner), 'best': best, 'accuracy': accuracy}


@pytest.mark.parametrize(
    ('workers', 'moment'), [(0, WITHIN), (2, WITHIN), (0, END), (2, END), (0, VALIDATION)]
)
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, straight, workers, moment):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as leaving:
        run(tmp_path, workers, False, dict(stage=moment[0], when=moment[1]))
    assert leaving.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    saved = find_resumable(tmp_path, 'auto')
    if moment is VALIDATION:
        assert saved.endswith('epoch_2.pth')
    else:
        assert saved.endswith(FILENAME)
        assert torch.load(saved, weights_only=True)['meta']['iter'] == moment[1] + 1
    resumed = run(tmp_path, workers, True)
    assert outcome(resumed) == straight[workers]
    assert not (tmp_path / FILENAME).exists()


def test_interrupted_twice_in_an_epoch(tmp_path, straight):
    for iteration, number, status in ((3, signal.SIGTERM, 143), (4, signal.SIGINT, 130)):
        with pytest.raises(SystemExit) as leaving:
            run(tmp_path, 0, iteration > 3, dict(stage='train', when=iteration, number=number))
        assert leaving.value.code == status
    assert outcome(run(tmp_path, 0, True)) == straight[0]


def test_an_epoch_of_another_length_is_not_continued(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path, 0, False, dict(stage='train', when=4))
    cfg = make_config(tmp_path, resume=True, load_from=str(tmp_path / FILENAME))
    cfg.train_dataloader.batch_size = 6
    with pytest.raises(
        ResumeError, match=r'after 2 of 3 iterations of epoch 2 .* has 2 iterations'
    ):
        Runner.from_cfg(cfg).train()
    restore_signals()
