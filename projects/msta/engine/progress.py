"""A bar in the place of MMEngine's log lines, for tools that train as one step of several."""

from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows training iterations as a bar with the latest loss; the log file keeps its lines.

    Args:
        title: what stands before the bar.
    """

    priority = 'VERY_LOW'

    def __init__(self, title: str = 'training') -> None:
        self.title = title
        self._bar: Any = None

    def before_train(self, runner: Runner) -> None:
        """Open the bar where training begins or continues."""
        if runner.rank == 0:
            self._bar = tqdm(
                desc=self.title, total=runner.max_iters, initial=runner.iter, mininterval=0.5
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Step on."""
        if self._bar is not None:
            if outputs and 'loss' in outputs and runner.iter % 10 == 0:
                self._bar.set_postfix(loss=f'{float(outputs["loss"].detach()):.3f}', refresh=False)
            self._bar.update(1)

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
