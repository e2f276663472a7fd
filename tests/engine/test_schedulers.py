"""The rate equals the published law at every iteration, also when resumed."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import PARAM_SCHEDULERS
from mmengine.optim import OptimWrapper

from projects.msta.engine.schedulers import WarmupUnshiftedCosineLR


def law(lr: float, step: int, warmup: int, total: int) -> float:
    """PAPER's formula as written there, kept apart from the implementation's."""
    if step < warmup:
        return lr * step / warmup
    return lr / 100 + 0.5 * (lr - lr / 100) * (1 + math.cos(math.pi * step / total))


def make_wrapper(*rates: float) -> OptimWrapper:
    groups = [
        {'params': [torch.nn.Parameter(torch.zeros(1))], 'lr': rate, 'weight_decay': 0.0}
        for rate in rates
    ]
    return OptimWrapper(torch.optim.AdamW(groups))


def build(wrapper: OptimWrapper, epochs: int, warmup: float, epoch_length: int):
    config = dict(
        type='WarmupUnshiftedCosineLR',
        warmup=warmup,
        begin=0,
        end=epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    )
    return PARAM_SCHEDULERS.build(
        config, default_args=dict(optimizer=wrapper, epoch_length=epoch_length)
    )


def step(wrapper: OptimWrapper, scheduler) -> None:
    wrapper.step()
    scheduler.step()


@settings(max_examples=25, deadline=None)
@given(
    epochs=st.integers(2, 12),
    warmup=st.integers(0, 11),
    epoch_length=st.integers(1, 9),
    rate=st.floats(1e-6, 1.0),
)
def test_every_iteration_of_any_length_and_group(epochs, warmup, epoch_length, rate):
    warmup = min(warmup, epochs - 1)
    wrapper = make_wrapper(rate, rate * 8)
    scheduler = build(wrapper, epochs, warmup, epoch_length)
    total = epochs * epoch_length
    for iteration in range(total):
        for group, lr in zip(wrapper.optimizer.param_groups, (rate, rate * 8), strict=True):
            expected = law(lr, iteration, warmup * epoch_length, total)
            assert abs(group['lr'] - expected) <= 1e-9 * lr
        step(wrapper, scheduler)


def test_published_numbers():
    wrapper = make_wrapper(1e-3)
    scheduler = build(wrapper, epochs=50, warmup=5, epoch_length=20)
    at_epoch = {}
    for iteration in range(50 * 20):
        if iteration % 20 == 0:
            at_epoch[iteration // 20] = wrapper.param_groups[0]['lr']
        step(wrapper, scheduler)
    published = {1: '2.0e-04', 5: '9.75773e-04', 10: '9.05463e-04', 20: '6.57963e-04'}
    published[49] = '1.0977e-05'
    for epoch, rate in published.items():
        digits = len(rate.split('e')[0].split('.')[1])
        assert f'{at_epoch[epoch]:.{digits}e}' == rate
    assert at_epoch[0] == 0


def test_resumed_in_the_middle_of_warmup_and_cosine():
    straight = make_wrapper(1e-3, 5e-4)
    scheduler = build(straight, 6, 2, 5)
    for iteration in range(30):
        if iteration in (7, 19):
            resumed = make_wrapper(1e-3, 5e-4)
            again = build(resumed, 6, 2, 5)
            resumed.optimizer.load_state_dict(straight.optimizer.state_dict())
            again.load_state_dict(scheduler.state_dict())
            for later in range(iteration, 30):
                assert resumed.param_groups[1]['lr'] == pytest.approx(
                    law(5e-4, later, 10, 30), abs=1e-12
                )
                step(resumed, again)
        step(straight, scheduler)


def test_the_state_is_plain_enough_for_a_safe_checkpoint(tmp_path):
    scheduler = build(make_wrapper(1e-3), 3, 1, 2)
    torch.save(scheduler.state_dict(), tmp_path / 'state.pth')
    assert torch.load(tmp_path / 'state.pth', weights_only=True)['total'] == 6


def test_no_warmup_starts_at_the_full_rate():
    wrapper = make_wrapper(0.5)
    build(wrapper, 3, 0, 2)
    assert wrapper.param_groups[0]['lr'] == 0.5


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (dict(warmup=5, end=5), 'shorten warmup'),
        (dict(warmup=-1, end=5), 'warmup=-1'),
        (dict(warmup=1), 'needs `end`'),
        (dict(warmup=1, end=5, min_ratio=2), 'min_ratio=2'),
    ],
)
def test_lengths_that_make_no_sense_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        WarmupUnshiftedCosineLR(make_wrapper(1e-3), **arguments)


def test_the_lagged_rate_is_that_of_the_iteration_before():
    """As a loop gives it that sets the rate of step ``t`` after the optimizer's step ``t``."""
    wrapper = make_wrapper(0.1)
    config = dict(type='LaggedWarmupUnshiftedCosineLR', warmup=2, end=5, convert_to_iter_based=True)
    defaults = dict(optimizer=wrapper, epoch_length=3)
    scheduler = PARAM_SCHEDULERS.build(config, default_args=defaults)
    used = []
    for _ in range(15):
        used.append(wrapper.param_groups[0]['lr'])
        step(wrapper, scheduler)
    assert used == pytest.approx([0.0, *(law(0.1, t, 6, 15) for t in range(14))])
