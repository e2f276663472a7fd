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
def straight(tmp_path_factory) -> dict:
    return train(tmp_path_factory.mktemp('straight'))


def run(
    work_dir: Path, workers: int = 0, resume: bool = False, *signals: dict, accumulate: int = 1
) -> Runner:
    cfg = make_config(work_dir, workers=workers, resume=resume)
    cfg.optim_wrapper.accumulative_counts = accumulate
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


def interrupt(work_dir: Path, workers: int, stage: str, when: int) -> str:
    """Train until a signal; give the checkpoint to go on from."""
    with pytest.raises(SystemExit) as leaving:
        run(work_dir, workers, False, dict(stage=stage, when=when))
    assert leaving.value.code == 143
    return find_resumable(work_dir, 'auto')


def reads(runner: Runner) -> int:
    return int(runner.train_dataloader.dataset.reads.sum())


@pytest.mark.parametrize(
    ('workers', 'others', 'moment'),
    [(0, 3, WITHIN), (2, 2, END), (0, 0, VALIDATION)],
)
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, straight, workers, others, moment):
    """Under the same number of workers as before the interruption, or another."""
    before = signal.getsignal(signal.SIGTERM)
    saved = interrupt(tmp_path, workers, *moment)
    assert signal.getsignal(signal.SIGTERM) is before
    if moment is VALIDATION:
        assert saved.endswith('epoch_2.pth')
    else:
        assert saved.endswith(FILENAME)
        assert torch.load(saved, weights_only=True)['meta']['iter'] == moment[1] + 1
    resumed = run(tmp_path, others, True)
    assert outcome(resumed) == straight
    assert not (tmp_path / FILENAME).exists()
    # What was trained before is not read again: four epochs of 12 points, in batches of 4.
    done = 6 if moment is VALIDATION else moment[1] + 1
    assert reads(resumed) == 4 * (12 - done)


def test_interrupted_twice_in_an_epoch(tmp_path, straight):
    for iteration, number, status in ((3, signal.SIGTERM, 143), (4, signal.SIGINT, 130)):
        with pytest.raises(SystemExit) as leaving:
            run(tmp_path, 0, iteration > 3, dict(stage='train', when=iteration, number=number))
        assert leaving.value.code == status
    assert outcome(run(tmp_path, 0, True)) == straight


@pytest.mark.parametrize(
    ('stage', 'when', 'stopped'),
    # After 5 of iterations that are accumulated in pairs; in the validation after 3.
    [('train', 4, 6), ('val', 1, 4)],
)
def test_accumulated_gradients_are_not_lost(tmp_path, stage, when, stopped):
    straight = outcome(run(tmp_path / 'straight', accumulate=2))
    with pytest.raises(SystemExit):
        run(tmp_path, 0, False, dict(stage=stage, when=when), accumulate=2)
    saved = torch.load(find_resumable(tmp_path, 'auto'), weights_only=True)
    assert saved['meta']['iter'] == stopped
    assert outcome(run(tmp_path, 0, True, accumulate=2)) == straight


@pytest.mark.parametrize(
    ('batch_size', 'message'),
    [
        (6, r'after 2 of 3 iterations of epoch 2 .* has 2 iterations'),
        (5, r'after 2 batches of an epoch, but the first 2 batches of that epoch are now others'),
    ],
)
def test_other_batches_are_not_continued(tmp_path, batch_size, message):
    interrupt(tmp_path, 0, *WITHIN)
    cfg = make_config(tmp_path, resume=True, load_from=str(tmp_path / FILENAME))
    cfg.train_dataloader.batch_size = batch_size
    with pytest.raises(ResumeError, match=message):
        Runner.from_cfg(cfg).train()
    restore_signals()


def test_unseeded_samples_are_not_continued(tmp_path):
    interrupt(tmp_path, 0, *WITHIN)
    cfg = make_config(tmp_path, resume=True, load_from=str(tmp_path / FILENAME))
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook['type'] != 'EpochSeedHook']
    with pytest.raises(ResumeError, match="Add dict\\(type='EpochSeedHook'\\)"):
        Runner.from_cfg(cfg).train()
    restore_signals()


def test_a_checkpoint_of_an_earlier_version_trains_what_is_left(tmp_path, capsys):
    """It says nothing of the order; its views were drawn otherwise, which is said."""
    saved = interrupt(tmp_path, 0, *WITHIN)
    checkpoint = torch.load(saved, weights_only=True)
    del checkpoint['interrupted']['orders']
    torch.save(checkpoint, saved)
    cfg = make_config(tmp_path, resume=True, load_from=saved, log_level='WARNING')
    cfg.train_cfg.max_epochs = 2
    runner = Runner.from_cfg(cfg)
    runner.train()
    said = capsys.readouterr().out
    assert 'is of an earlier version' in said and 'not, bit for bit' in said
    left = runner.train_dataloader.dataset.reads
    assert left.sum() == 4 and left.max() == 1
    sampler = runner.train_dataloader.batch_sampler.sampler
    sampler.set_epoch(1)
    assert left.nonzero().flatten().tolist() == sorted(list(sampler)[8:])
