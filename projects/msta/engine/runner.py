"""MMEngine's Runner with a short start on the console, and checks of what a step consists of."""

import copy
import logging
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import RUNNERS
from mmengine.hooks import CheckpointHook
from mmengine.optim.scheduler.param_scheduler import INF
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner

from ..spelling import did_you_mean
from .resuming import check_optimizer, continue_with, flatten, settings_of
from .wrapped import unwrap

# Below this many steps per epoch, the recipes' warm-up and rate hardly train anything.
_FEW_STEPS = 5


class StartError(ValueError):
    """A training that cannot do what it is set to."""


class _Console(logging.Filter):
    """Holds back what is less than a warning until the work begins; the log file has it all."""

    def __init__(self) -> None:
        super().__init__()
        self.open = False

    def filter(self, record: logging.LogRecord) -> bool:
        return self.open or record.levelno >= logging.WARNING


@RUNNERS.register_module()
class MSTARunner(Runner):
    """A Runner that says in a few lines what it begins, and continues as its config says.

    The environment, the config and the hooks go to the log file alone. A data set that gives no
    step is refused before any weight is read. Resuming under other settings: :mod:`.resuming`.
    """

    _console: _Console
    _within_epoch = False

    def build_logger(self, *args: Any, **kwargs: Any) -> Any:
        """MMEngine's logger, its console quiet until the work begins."""
        logger = super().build_logger(*args, **kwargs)
        self._console = _Console()
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(self._console)
        return logger

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks; before the first ones of the work, say what begins."""
        if fn_name in ('before_train', 'before_val', 'before_test') and not self._console.open:
            self._console.open = True
            for line in self._summary(training=fn_name == 'before_train'):
                self.logger.info(line)
        elif fn_name == 'before_run':
            self._check_best()
        super().call_hook(fn_name, **kwargs)

    def _summary(self, training: bool) -> list[str]:
        model = unwrap(self.model)
        counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
        trained = sum(number for number, requires_grad in counts if requires_grad)
        device = next((str(p.device) for p in model.parameters()), 'cpu')
        classes = getattr(model, 'labels', None)
        lines = [
            f'log: {Path(self._log_dir, f"{self.timestamp}.log")} (environment, config, hooks)',
            f'model: {type(model).__name__}'
            + (f', {len(classes)} classes' if classes is not None else '')
            + f', {trained:,} of {sum(n for n, _ in counts):,} parameters trained, on {device}'
            + (f' in {self.world_size} processes' if self.world_size > 1 else ''),
        ]
        if not training:
            return [*lines, f'videos: {len(self.test_loop.dataloader.dataset):,} to test']
        loader, loop = self.train_loop.dataloader, self.train_loop
        lines.append(
            f'videos: {len(loader.dataset):,} in batches of {loader.batch_size}: '
            f'{len(loader):,} iterations per epoch'
        )
        if isinstance(loop, EpochBasedTrainLoop):
            lines.append(f'epochs: {self.epoch + 1} to {loop.max_epochs}, in {self.work_dir}')
        return lines

    def _check_best(self) -> None:
        """Refuse to save the best by what validation does not give, before the first epoch."""
        wanted = [
            name
            for hook in self.hooks
            if isinstance(hook, CheckpointHook) and hook.save_best
            for name in hook.key_indicators
            if name != 'auto'
        ]
        if not wanted or not isinstance(self._val_loop, BaseLoop):
            return
        names = self._metric_names()
        for name in wanted:
            if names and name not in names:
                raise StartError(
                    f'default_hooks.checkpoint.save_best={name!r}{did_you_mean(name, names, 0.4)}: '
                    f'validation gives {", ".join(names)}, and no other metric'
                )

    def _metric_names(self) -> list[str]:
        """The names of what validation gives, from an evaluation of a made-up video."""
        classes = len(getattr(unwrap(self.model), 'labels', None) or '12')
        sample = {'pred_score': torch.eye(classes)[0], 'gt_label': torch.tensor([0])}
        sections = copy.deepcopy(self.cfg.get('val_evaluator') or [])
        for section in sections if isinstance(sections, list) else [sections]:
            section.pop('out_file', None)
        try:
            evaluator = self.build_evaluator(sections)
            evaluator.process([sample | {'pred_label': torch.tensor([0])}])
            return list(evaluator.evaluate(1))
        except Exception as error:  # of a metric that needs more: its names cannot be known
            self.logger.debug(f'the metrics of val_evaluator are not known yet: {error!r}')
            return []

    def load_or_resume(self) -> None:
        """Read the foundation's weights where no training has done so, then a checkpoint."""
        if not isinstance(self._train_loop, BaseLoop) and not self._has_loaded:
            init_weights = getattr(unwrap(self.model), 'init_weights', None)
            if init_weights is not None:
                init_weights()
        super().load_or_resume()

    def build_train_loop(self, loop: Any) -> Any:
        """Build the loop; check that its data set gives steps."""
        built = super().build_train_loop(loop)
        if not isinstance(loop, BaseLoop):
            self._check_steps(built)
        return built

    def _check_steps(self, loop: Any) -> None:
        loader, processes = loop.dataloader, self.world_size
        batch, videos = loader.batch_size, len(loader.dataset)
        if not isinstance(loop, EpochBasedTrainLoop) or batch is None:
            return
        share = f'{batch}' + (f' in each of {processes} processes' if processes > 1 else '')
        if not len(loader):
            raise StartError(
                f'{videos} training videos do not fill one batch of {share}, and drop_last leaves '
                'out what is not full: there would be no step, and nothing would be trained. Set '
                f'train_dataloader.batch_size={max(videos // processes, 1)} or less, or '
                'train_dataloader.drop_last=False'
            )
        steps = len(loader) / self._accumulated()
        if steps < _FEW_STEPS:
            self.logger.warning(
                f'{videos} training videos in batches of {share} give {steps:g} steps per epoch: '
                'the warm-up and the learning rate are made for more, and little may be learned. '
                f'Try train_dataloader.batch_size={max(batch * len(loader) // 10, 1)} with '
                '--auto-scale-lr'
            )

    def _accumulated(self) -> int:
        """Iterations that make one step of the optimizer."""
        wrapper = self.optim_wrapper
        if isinstance(wrapper, dict):
            return int(wrapper.get('accumulative_counts', 1))
        return int(getattr(wrapper, '_accumulative_counts', 1))

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: dict | None = None) -> None:
        """Scale the learning rate with the videos of a *step*, accumulated iterations included."""
        if auto_scale_lr and auto_scale_lr.get('enable'):
            base = auto_scale_lr['base_batch_size'] / self._accumulated()
            auto_scale_lr = {**auto_scale_lr, 'base_batch_size': base}
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedules; warn of one that ends elsewhere than the training."""
        built = super().build_param_scheduler(scheduler)
        loop = self._train_loop
        if built is scheduler or not isinstance(loop, EpochBasedTrainLoop):
            return built
        last = 0.0
        for schedule in flatten(built):
            last = max(last, schedule.end / (1 if schedule.by_epoch else len(loop.dataloader)))
        if last < INF / len(loop.dataloader) and last != loop.max_epochs:
            lost = (
                'its last part is never reached'
                if last > loop.max_epochs
                else ('the rest is trained at its last value')
            )
            self.logger.warning(
                f'the schedule ends at epoch {last:g}, training at {loop.max_epochs}: {lost}. '
                'Leave `end` out of param_scheduler, and it follows train_cfg.max_epochs'
            )
        return built

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Read a checkpoint; check that training can continue from it."""
        checkpoint = super().load_checkpoint(*args, **kwargs)
        self._within_epoch = bool(checkpoint.get('interrupted'))
        if self._resume:
            check_optimizer(self, checkpoint)
        return checkpoint

    def resume(self, *args: Any, **kwargs: Any) -> None:
        """Continue from a checkpoint, with the settings of the config."""
        given = settings_of(self)
        super().resume(*args, **kwargs)
        changes = continue_with(self, given, self._within_epoch)
        if changes:
            self.logger.warning(
                f'continuing after epoch {self.epoch} with settings that the checkpoint was not '
                f'trained with, which apply from here on: {"; ".join(changes)}'
            )
