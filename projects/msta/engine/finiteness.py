"""NaN and infinity stop training at the step they appear in, before they reach the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn

from ..archives import not_finite
from ..spelling import few

_MOST_FILES = 16


class NonFiniteError(ArithmeticError):
    """A loss or a weight that is NaN or infinite."""


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """An end before the optimizer's step if the loss is NaN or infinite; no such weights are saved.

    The check costs no wait of its own for a GPU: the loss's finiteness is copied to the host
    behind the forward pass, the backward pass is queued, and only then is the copy looked at,
    while the backward pass runs. (MMEngine reads the loss's value every step in any case.)
    Gradients are not looked at, which would mean to wait for the backward pass; what infinite
    gradients do to the weights shows in the next step's loss, or in the check of every tensor
    before a checkpoint is written, so it reaches no file.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._batch: Any = None
        self._previous: Any = None
        self._losses: dict[str, Tensor] = {}
        self._pending: list[tuple[Tensor, torch.cuda.Event | None]] = []
        self._runner: Runner | None = None

    def before_train(self, runner: Runner) -> None:
        """Look at what the model returns, and stand before the optimizer's step."""
        self._runner = runner
        runner.model.register_forward_hook(self._note)
        wrapper = runner.optim_wrapper
        wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
        for each in wrappers:
            each.optimizer.register_step_pre_hook(lambda *_: self._check())

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Remember which videos this step and the one before are about."""
        self._previous, self._batch = self._batch, data_batch

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Check a step that the loss scaler of mixed precision left out."""
        self._check()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse to write weights that are not finite."""
        for part in ('state_dict', 'ema_state_dict'):
            spoilt = not_finite(checkpoint.get(part, {}).items())
            if spoilt:
                raise NonFiniteError(
                    f'the weights hold NaN or infinity ({", ".join(spoilt[:4])}) after iteration '
                    f'{runner.iter + 1}; no checkpoint was written. {self._advice(self._batch)}'
                )

    def _note(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if not module.training or not isinstance(output, Mapping):
            return
        self._losses = {
            name: torch.stack([v.detach().float().mean() for v in _as_list(value)]).sum()
            for name, value in output.items()
            if 'loss' in name
        }
        if not self._losses:
            return
        finite = torch.isfinite(torch.stack(list(self._losses.values())).sum())
        event = None
        if finite.is_cuda:
            finite = finite.to('cpu', non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self._pending.append((finite, event))

    def _check(self) -> None:
        while self._pending:
            finite, event = self._pending.pop()
            if event is not None:
                event.synchronize()
            if not finite:
                raise NonFiniteError(self._message())

    def _message(self) -> str:
        runner = self._runner
        assert runner is not None
        values = ', '.join(f'{name} {value.item():g}' for name, value in self._losses.items())
        where = f'epoch {runner.epoch + 1}, iteration {runner.iter + 1}: {values}'
        if not_finite(runner.model.named_parameters()):
            return (
                f'{where}: the step before left NaN or infinity in the weights, its gradients were '
                f'infinite. {self._advice(self._previous)}'
            )
        return f'{where}: the optimizer did not take this step. {self._advice(self._batch)}'

    def _advice(self, batch: Any) -> str:
        assert self._runner is not None
        last = self._runner.message_hub.runtime_info.get('last_ckpt')
        kept = f'{Path(last).name} is intact and --resume continues from it' if last else ''
        return (
            f'Training stops; {kept or "no checkpoint was written before"}. The batch: '
            f'{_files(batch)}. Try a lower rate (optim_wrapper.optimizer.lr) or clipped gradients '
            '(optim_wrapper.clip_grad.max_norm=1), training without --amp, and a look at those '
            'files (tools/data/check.py)'
        )


def _as_list(value: Any) -> list[Tensor]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _files(batch: Any) -> str:
    samples = batch.get('data_samples', []) if isinstance(batch, Mapping) else []
    names = [getattr(sample, 'filename', None) for sample in samples]
    known = [str(name) for name in names if name]
    return few(known, _MOST_FILES) or 'files not known'
