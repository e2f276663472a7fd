"""The learning-rate law of MSTA's published training logs."""

import math
from typing import Any

from mmaction.registry import PARAM_SCHEDULERS
from mmengine.optim.scheduler.param_scheduler import INF, OptimizerType, _ParamScheduler


@PARAM_SCHEDULERS.register_module()
class WarmupUnshiftedCosineLR(_ParamScheduler):
    """Linear warm-up from zero into a cosine that started at step 0, not at the warm-up's end.

    With ``lr`` a group's initial rate, ``S = end - begin`` and ``t`` counted from ``begin``::

        lr(t) = lr * t / warmup                                                     t < warmup
        lr(t) = m * lr + 0.5 * (lr - m * lr) * (1 + cos(pi * t / S)),  m = min_ratio  otherwise

    so the rate jumps slightly down where the warm-up ends. MMEngine's ``LinearLR`` followed by
    ``CosineAnnealingLR`` cannot give this: its cosine starts from the warm-up's end, or, begun at
    0, has no warm-up. Each value is computed from the initial rate and not from the last value,
    so neither rounding nor resuming adds up.

    The other arguments are those of every MMEngine schedule. With ``convert_to_iter_based=True`` in
    a config, lengths are given in epochs and the rate changes every iteration.

    Args:
        warmup: Length of the warm-up, in epochs or iterations like ``begin`` and ``end``;
            0 leaves it out.
        min_ratio: The last rate over the initial one.

    Raises:
        ValueError: If a length is negative, or the warm-up does not end before ``end``.
    """

    def __init__(
        self,
        optimizer: OptimizerType,
        warmup: float = 0,
        min_ratio: float = 0.01,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if end >= INF:
            raise ValueError(
                'WarmupUnshiftedCosineLR needs `end`, the length of the whole training; '
                'give it in epochs, as in end=50'
            )
        if not 0 <= warmup < end - begin:
            raise ValueError(
                f'warmup={warmup} must be at least 0 and less than end - begin = {end - begin}; '
                'without room after it there is no cosine left: shorten warmup or train longer'
            )
        if not 0 <= min_ratio <= 1:
            raise ValueError(f'min_ratio={min_ratio} must be between 0 and 1')
        self.warmup = warmup
        self.min_ratio = min_ratio
        self.total = end - begin
        super().__init__(
            optimizer,
            'lr',
            begin=begin,
            end=end,
            last_step=last_step,
            by_epoch=by_epoch,
            verbose=verbose,
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        optimizer: OptimizerType,
        *,
        warmup: float = 0,
        begin: int = 0,
        end: int = INF,
        epoch_length: int,
        **kwargs: Any,
    ) -> 'WarmupUnshiftedCosineLR':
        """Build it stepping every iteration from lengths in epochs.

        ``epoch_length`` is the number of iterations of an epoch, which MMEngine fills in.
        """
        if warmup > 0 and end - begin <= warmup:
            raise ValueError(
                f'the warm-up of {warmup:g} epochs leaves nothing of a training of {end - begin:g} '
                '(train_cfg.max_epochs, unless param_scheduler sets `end`): train longer, or warm '
                'up less: --cfg-options param_scheduler.0.warmup=0'
            )
        return cls(
            optimizer,
            warmup=warmup * epoch_length,
            begin=int(begin * epoch_length),
            end=int(end * epoch_length) if end < INF else end,
            **(kwargs | {'by_epoch': False}),
        )

    def _get_value(self) -> list[float]:
        return [base * self._ratio(self.last_step) for base in self.base_values]

    def _ratio(self, step: int) -> float:
        if step < self.warmup:
            return step / self.warmup
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.total))
        return self.min_ratio + (1 - self.min_ratio) * cosine


@PARAM_SCHEDULERS.register_module()
class LaggedWarmupUnshiftedCosineLR(WarmupUnshiftedCosineLR):
    """:class:`WarmupUnshiftedCosineLR` whose rate comes one step late.

    The code that MSTA descends from sets the rate after the optimizer's step (ViFi-CLIP,
    ``main.py``: ``lr_scheduler.step_update(epoch * num_steps + idx)`` behind ``optimizer.step()``),
    so that step ``t`` is taken with the rate of ``t - 1``, and step 1 with that of step 0 again. An
    option for comparisons with it.
    """

    def _ratio(self, step: int) -> float:
        return super()._ratio(max(step - 1, 0))
