"""A training that continues under other settings: what uninterrupted training would have had."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch.utils.data import DataLoader, TensorDataset

from projects.msta.engine.resuming import ScheduleError
from projects.msta.engine.runner import MSTARunner, StartError

SCHEDULE = dict(type='WarmupUnshiftedCosineLR', warmup=1, convert_to_iter_based=True)
_runs = iter(range(1000))


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.rates: list[float] = []
        self.wrapper: OptimWrapper | None = None

    def train_step(self, data, optim_wrapper):
        self.rates.append(optim_wrapper.optimizer.param_groups[0]['lr'])
        loss = (self.weight * data[0]).sum()
        optim_wrapper.update_params(loss)
        return {'loss': loss.detach()}


def train(folder, epochs=6, batch=2, videos=12, until=None, schedule=SCHEDULE, **settings):
    """Train; give the rate of each iteration. ``until``: stop after this epoch's checkpoint."""
    from mmengine.hooks import Hook

    class Stop(Hook):
        priority = 'LOWEST'

        def after_train_epoch(self, runner) -> None:
            if until is not None and runner.epoch + 1 == until:
                raise KeyboardInterrupt

    model = Model()
    optimizer = dict(type='SGD', lr=0.1, momentum=0.9) | settings.pop('optimizer', {})
    wrapper = dict(type='OptimWrapper', optimizer=optimizer) | settings.pop('wrapper', {})
    runner = MSTARunner(
        model=model,
        work_dir=str(folder),
        train_dataloader=DataLoader(
            TensorDataset(torch.ones(videos, 2)), batch_size=batch, drop_last=True
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=wrapper,
        param_scheduler=schedule,
        default_scope='mmaction',
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[Stop(), dict(type='PlainCheckpointHook')],
        experiment_name=f'resuming{next(_runs)}',
        **settings,
    )
    try:
        runner.train()
    except KeyboardInterrupt:
        assert until is not None
    return model.rates


def resumed(folder, **settings):
    return train(folder, resume=True, load_from=str(folder / 'epoch_2.pth'), **settings)


def test_the_same_settings_go_on_as_if_never_stopped(tmp_path, capsys):
    whole = train(tmp_path / 'whole')
    train(tmp_path, until=2)
    assert resumed(tmp_path) == whole[12:]
    assert 'continuing after epoch' not in capsys.readouterr().out


@pytest.mark.parametrize('schedule', [SCHEDULE, [dict(type='CosineAnnealingLR', by_epoch=True)]])
def test_the_rate_follows_the_epoch_under_another_batch(tmp_path, capsys, schedule):
    whole = train(tmp_path / 'whole', batch=4, schedule=schedule)
    train(tmp_path, until=2, schedule=schedule)
    assert resumed(tmp_path, batch=4, schedule=schedule) == whole[6:]
    assert 'iterations per epoch (batch, processes, videos): 6 -> 3' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        (dict(optimizer=dict(lr=0.3)), 'lr: 0.1 -> 0.3'),
        (dict(optimizer=dict(weight_decay=0.5)), 'weight_decay: 0 -> 0.5'),
        (dict(epochs=9), 'WarmupUnshiftedCosineLR.end: 36 -> 54'),
        (dict(schedule=SCHEDULE | dict(min_ratio=0.5)), 'min_ratio: 0.01 -> 0.5'),
        (dict(schedule=SCHEDULE | dict(warmup=3)), 'warmup: 6 -> 18'),
    ],
)
def test_changed_settings_are_named_and_applied(tmp_path, capsys, changed, said):
    whole = train(tmp_path / 'whole', **changed)
    train(tmp_path, until=2)
    assert resumed(tmp_path, **changed) == whole[12:]
    assert said in capsys.readouterr().out


def test_another_kind_of_optimizer_is_refused(tmp_path):
    train(tmp_path, until=2)
    with pytest.raises(ScheduleError, match='another kind of optimizer'):
        resumed(tmp_path, wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)))


def test_a_schedule_of_past_results_cannot_be_moved(tmp_path):
    plateau = [dict(type='ReduceOnPlateauLR', monitor='loss')]
    train(tmp_path, until=2, schedule=plateau)
    assert resumed(tmp_path, schedule=plateau) == [0.1] * 24
    with pytest.raises(ScheduleError, match='depends on past results'):
        resumed(tmp_path, schedule=plateau, batch=4)


def test_the_end_follows_the_epochs_unless_set(tmp_path, capsys):
    assert train(tmp_path / 'follows', epochs=3)[-1] < 0.02
    assert 'the schedule ends' not in capsys.readouterr().out
    train(tmp_path / 'set', epochs=3, schedule=SCHEDULE | dict(end=6))
    said = capsys.readouterr().out
    assert 'the schedule ends at epoch 6, training at 3: its last part is never reached' in said


def test_a_warm_up_as_long_as_the_training_is_refused_with_the_option(tmp_path):
    with pytest.raises(
        ValueError,
        match=r'warm-up of 1 epochs leaves nothing of a training of 1 .*'
        r'param_scheduler.0.warmup=0',
    ):
        train(tmp_path, epochs=1)


def test_no_step_is_an_error_and_few_are_a_warning(tmp_path, capsys):
    with pytest.raises(StartError, match=r'3 training videos do not fill one batch of 4.*=3 or'):
        train(tmp_path, videos=3, batch=4)
    train(tmp_path, videos=8, batch=4, epochs=2)
    said = capsys.readouterr().out
    assert '8 training videos in batches of 4 give 2 steps per epoch' in said
    assert '--auto-scale-lr' in said
    train(tmp_path, videos=20, batch=2, epochs=2, wrapper=dict(accumulative_counts=5))
    assert 'give 2 steps per epoch' in capsys.readouterr().out
    train(tmp_path, videos=20, batch=2, epochs=2)
    assert 'steps per epoch' not in capsys.readouterr().out


def test_the_rate_is_scaled_with_the_videos_of_a_step(tmp_path):
    scale = dict(enable=True, base_batch_size=4)
    plain = train(tmp_path / 'plain')
    scaled = train(tmp_path / 'scaled', auto_scale_lr=scale)
    accumulated = train(
        tmp_path / 'accumulated', auto_scale_lr=scale, wrapper=dict(accumulative_counts=3)
    )
    assert scaled[8] == pytest.approx(plain[8] * 2 / 4)
    assert accumulated[8] == pytest.approx(plain[8] * 2 * 3 / 4)


def test_a_step_of_accumulated_iterations_has_the_rate_of_its_last_one(tmp_path):
    # Three iterations a step: 12 steps as of a batch of 6, at the same places of the schedule.
    scale = dict(enable=True, base_batch_size=6)
    wrapper = dict(accumulative_counts=3)
    rates = train(tmp_path / 'parts', videos=36, wrapper=wrapper, auto_scale_lr=scale)
    large = train(tmp_path / 'whole', videos=36, batch=6, auto_scale_lr=scale)
    assert len(rates) == 3 * len(large) and rates[::3] == pytest.approx(large)
    assert rates == pytest.approx(train(tmp_path / 'plain', videos=36))
    # The step is made with the third rate, two thirds of a step further on.
    assert rates[5] - rates[3] == pytest.approx(2 / 3 * (large[2] - large[1]))


def test_the_console_starts_short_and_the_log_has_it_all(tmp_path, capsys):
    train(tmp_path, epochs=2)
    said = capsys.readouterr().out
    assert 'Hooks will be executed' not in said and 'System environment' not in said
    assert 'parameters trained' in said and 'epochs: 1 to 2' in said
    (log,) = tmp_path.glob('*/*.log')
    assert str(log) in said and 'Hooks will be executed' in log.read_text()
    assert 'System environment' in log.read_text()
