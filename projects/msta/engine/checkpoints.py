"""Checkpoints that load without running code from the file, and that are always whole.

MMEngine puts objects of its own into a checkpoint, which ``torch.load`` refuses to make from an
untrusted file (``weights_only=True``, its default; open-mmlab/mmengine#1655), writes files in
place, and removes the previous one first. The hooks here fix all three; the one reader of local
files that MMEngine is given is a patch of it, in ``compat.py``.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from ..archives import ArchiveError

# Already safe, large, and partly more than a dict (a state dict carries its modules' versions).
_TENSORS = frozenset({'state_dict', 'ema_state_dict', 'optimizer'})
_PLAIN = (str, int, float, bool, bytes, type(None), torch.Tensor)


def to_plain(value: Any, where: str = 'checkpoint') -> Any:
    """Turn NumPy values, paths and mappings into what ``weights_only=True`` reads.

    Args:
        value: Anything nested of dicts, lists, tuples, numbers, strings, tensors, NumPy values
            and MMEngine's logged histories.
        where: Its place, for the error.

    Raises:
        TypeError: Naming the place of an object that could not be read back.
    """
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {'log': torch.tensor(log), 'count': torch.tensor(count), 'max': value.max_length}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: to_plain(item, f'{where}[{key!r}]') for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [to_plain(item, f'{where}[{index}]') for index, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    raise TypeError(
        f'{where} holds a {type(value).__name__}, with which the checkpoint would not load '
        'safely again (torch.load, weights_only=True); keep only numbers, strings, lists, dicts '
        'and tensors there'
    )


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Everything but tensors saved as plain values; logged histories rebuilt on loading."""

    # The last to see a checkpoint before it is written: other hooks add to it.
    priority = 'LOWEST'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Make ``checkpoint`` plain, in place."""
        for key in checkpoint.keys() - _TENSORS:
            checkpoint[key] = to_plain(checkpoint[key], f'checkpoint[{key!r}]')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Rebuild the histories that resuming hands to the message hub.

        MMEngine runs ``meta['config']`` as Python on resuming. No version of it writes that key
        any more, so it is dropped.
        """
        meta = checkpoint.get('meta', {})
        meta.pop('config', None)
        if runner._resume:
            lacks = [key for key in ('epoch', 'iter') if not isinstance(meta.get(key), int)]
            lacks += [key for key in ('message_hub', 'optimizer') if key not in checkpoint]
            if lacks:
                raise ArchiveError(
                    f'training cannot continue from this checkpoint, it lacks {", ".join(lacks)}; '
                    'to start a training from its weights use --cfg-options load_from=FILE'
                )
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for key, value in scalars.items():
            if isinstance(value, dict):
                log, count = (value[part].cpu().numpy() for part in ('log', 'count'))
                scalars[key] = HistoryBuffer(log, count, value['max'])


class CheckpointWriteError(OSError):
    """A file that could not be written: no space or no rights."""


@register_backend('atomic_local')
class AtomicLocalBackend(LocalBackend):
    """Local files that appear whole or not at all: written beside the target, then renamed."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; a failure leaves what was at ``filepath`` as it was."""
        target = Path(filepath)
        target.parent.mkdir(parents=True, exist_ok=True)
        # One fixed name, so that what a killed process left is overwritten by the next.
        partial = target.with_name(f'.{target.name}.partial')
        try:
            with partial.open('wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as error:
            raise CheckpointWriteError(
                f'{target}: {len(obj):,} bytes could not be written ({error.strerror or error}). '
                'Nothing was left half-written, and the checkpoints beside it are intact; make '
                'room and continue with --resume'
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text, as :meth:`put` writes bytes."""
        self.put(obj.encode(encoding), filepath)


class _RecordedRemovals(LocalBackend):
    """A backend that only notes what was to be removed."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def remove(self, filepath: str | Path) -> None:
        self.paths.append(str(filepath))


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """``CheckpointHook`` that can be killed at any moment without losing a checkpoint.

    Files are written whole, outdated ones removed after their successor is in place, and an epoch
    whose validation did not finish is validated when training resumes, so that the best
    checkpoint is the same as without the interruption.

    Args:
        **kwargs: As for ``CheckpointHook``; files are local.
    """

    file_backend: LocalBackend

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(backend_args={'backend': 'atomic_local'}, **kwargs)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Look for the files that a checkpoint names, to replace them later, in this folder alone.

        Their folder may have been moved since; and what a checkpoint says must not remove a file
        elsewhere.
        """
        info = checkpoint.get('message_hub', {}).get('runtime_info', {})
        folder = Path(runner.work_dir)
        if self.out_dir is not None:  # as `before_train` will have it
            folder = Path(self.out_dir, folder.name)
        for key, value in info.items():
            if key == 'last_ckpt' or key.startswith('best_ckpt'):
                info[key] = str(folder / Path(str(value)).name)
        if 'keep_ckpt_ids' in info:
            info['keep_ckpt_ids'] = [int(step) for step in info['keep_ckpt_ids']]

    def before_train(self, runner: Runner) -> None:
        """Prepare the folder, and catch up on a validation that was cut off."""
        super().before_train(runner)
        loop = runner.train_loop
        if not self.by_epoch or not self.save_best or runner.val_loop is None or not runner.epoch:
            return
        due = runner.epoch >= loop.val_begin and (
            runner.epoch % loop.val_interval == 0 or runner.epoch == loop.max_epochs
        )
        hub = runner.message_hub
        if due and hub.runtime_info.get('validated_epoch', 0) < runner.epoch:
            runner.logger.info(f'Epoch {runner.epoch} was not validated before the interruption')
            self.last_ckpt = hub.runtime_info.get('last_ckpt')
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Keep the best checkpoint, and note in the newest that its epoch is validated."""
        runner.message_hub.update_info('validated_epoch', runner.epoch)
        super().after_val_epoch(runner, metrics)
        if self.by_epoch and self.last_ckpt == self._path(runner.epoch):
            meta = {'epoch': runner.epoch, 'iter': runner.iter}
            self._save_checkpoint_with_step(runner, runner.epoch, meta)

    def _path(self, step: int) -> str:
        return self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        with self._removing_last():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        with self._removing_last():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removing_last(self) -> Iterator[None]:
        """Postpone removals until all that replaces the files is written."""
        backend, recorder = self.file_backend, _RecordedRemovals()
        self.file_backend = recorder
        try:
            yield
        finally:
            self.file_backend = backend
        current = {self.last_ckpt, getattr(self, 'best_ckpt_path', None)}
        current.update(getattr(self, 'best_ckpt_path_dict', {}).values())
        for path in recorder.paths:
            if path not in current:
                backend.remove(path)
