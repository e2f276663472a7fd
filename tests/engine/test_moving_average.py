"""MMEngine's EMAHook on a frozen foundation: trained, resumed, tested, and begun late."""

import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from projects.msta.foundation import load_foundation, save_foundation

_NUMBER = iter(range(1000))


@pytest.fixture(scope='module')
def foundation(experiment, tmp_path_factory) -> Path:
    """The miniature's weights with zeros of both signs, as published weights have them."""
    model = load_foundation(experiment.folder / 'foundation.safetensors')
    for name, weight in model.named_parameters():
        if name.endswith('weight'):
            weight.data.view(-1)[::7] = -0.0
    path = tmp_path_factory.mktemp('zeros') / 'foundation.safetensors'
    save_foundation(model, path, torch.float32)
    return path


def make_runner(experiment, foundation, work_dir: Path, ema: dict | None, **changes) -> Runner:
    cfg = Config.fromfile(experiment.random)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'average{next(_NUMBER)}'
    cfg.model.backbone.foundation.checkpoint = str(foundation)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_cfg.max_epochs = 2
    cfg.launcher = 'none'
    if ema is not None:
        cfg.default_hooks.ema = {'type': 'EMAHook', **ema}  # as docs/protocols.md has it
    cfg.merge_from_dict(changes)
    return Runner.from_cfg(cfg)


def assert_equal(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_trained_resumed_and_tested(experiment, foundation, tmp_path):
    ema = {'momentum': 0.3}
    straight = make_runner(experiment, foundation, tmp_path / 'straight', ema)
    straight.train()
    accuracy = straight.message_hub.get_scalar('val/acc/top1').current()
    saved = torch.load(tmp_path / 'straight' / 'epoch_2.pth', weights_only=True)
    name = 'backbone.adapter.pairs.1.video.down.weight'
    assert not torch.equal(saved['state_dict'][name], saved['ema_state_dict'][f'module.{name}'])

    (tmp_path / 'resumed').mkdir()
    half = shutil.copy(tmp_path / 'straight' / 'epoch_1.pth', tmp_path / 'resumed')
    resumed = make_runner(
        experiment, foundation, tmp_path / 'resumed', ema, load_from=str(half), resume=True
    )
    resumed.train()
    again = torch.load(tmp_path / 'resumed' / 'epoch_2.pth', weights_only=True)
    assert_equal(saved['state_dict'], again['state_dict'])
    assert_equal(saved['ema_state_dict'], again['ema_state_dict'])

    file = str(tmp_path / 'straight' / 'epoch_2.pth')
    for settings in (ema, None):
        tester = make_runner(experiment, foundation, tmp_path / 'test', settings, load_from=file)
        assert tester.test()['acc/top1'] == accuracy
        held = tester.model.state_dict()
        assert_equal({k: held[k] for k in saved['state_dict']}, saved['state_dict'])


def test_an_average_that_begins_late_stands_on_the_same_foundation(
    experiment, foundation, tmp_path
):
    runner = make_runner(experiment, foundation, tmp_path, {'begin_epoch': 2, 'momentum': 0.3})
    seen = []

    class Look(Hook):
        def before_val_epoch(self, runner):
            seen.append(runner.model.backbone.foundation.fingerprint())

    runner.register_hook(Look(), priority='LOWEST')
    runner.train()
    assert seen == [runner.model.backbone.fingerprint] * 2
