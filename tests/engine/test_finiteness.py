"""NaN in a loss or a weight: training stops there, says where, and saves nothing spoilt."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner

from projects.msta.engine.finiteness import NonFiniteError
from projects.msta.engine.interruption import restore_signals
from tests.engine.toy_run import Line, make_config, weights


@MODELS.register_module(force=True)
class SpoiltLine(Line):
    """Gives a NaN loss, or a finite one with infinite gradients, in one step."""

    def __init__(self, step: int, gradients: bool = False):
        super().__init__()
        self.step, self.gradients, self.done = step, gradients, 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        output = super().forward(inputs, data_samples, mode)
        if mode == 'loss':
            if self.done == self.step:
                if self.gradients:  # at 0 the root's slope is infinite
                    output['loss'] = output['loss'] + (self.fc.weight.sum() * 0).abs().sqrt()
                else:
                    output['loss'] = output['loss'] * float('nan')
            self.done += 1
        return output


@HOOKS.register_module(force=True)
class Keep(Hook):
    def before_train_iter(self, runner, **kwargs):
        runner.before_step = weights(runner)


def run(tmp_path, **model) -> tuple[Runner, str]:
    cfg = make_config(tmp_path, model=dict(type='SpoiltLine', **model))
    cfg.custom_hooks = [*cfg.custom_hooks, dict(type='Keep')]
    runner = Runner.from_cfg(cfg)
    with pytest.raises(NonFiniteError) as error:
        runner.train()
    restore_signals()
    return runner, str(error.value)


def test_nan_loss_stops_before_the_optimizer(tmp_path):
    runner, message = run(tmp_path, step=4)
    assert 'epoch 2, iteration 5: loss nan: the optimizer did not take this step' in message
    assert 'epoch_1.pth is intact' in message and 'optim_wrapper.optimizer.lr' in message
    assert weights(runner) == runner.before_step


def test_infinite_gradients_are_told_from_the_step_after(tmp_path):
    _, message = run(tmp_path, step=3, gradients=True)
    assert 'iteration 5: loss nan: the step before left NaN or infinity in the weights' in message


def test_spoilt_weights_reach_no_file(tmp_path):
    # The epoch's last step, after which no loss would tell.
    _, message = run(tmp_path, step=5, gradients=True)
    assert 'no checkpoint was written' in message and 'fc.weight' in message
    assert {path.name for path in tmp_path.glob('epoch_*.pth')} == {'epoch_1.pth'}
    for path in tmp_path.glob('*.pth'):
        state = torch.load(path, weights_only=True)['state_dict']
        assert all(torch.isfinite(value).all() for value in state.values())
