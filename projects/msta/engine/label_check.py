"""Labels that do not fit the model's class list stop a run before its first iteration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..labels import LabelError
from .wrapped import flatten_datasets


def check_dataset_labels(dataset: Any, labels: list[str]) -> None:
    """Check that every label of a data set is an index of ``labels``.

    The data set's own class names, where its ``metainfo`` has them, must be as many.

    Raises:
        LabelError: Naming the annotation file, the label, and both counts.
    """
    for part in flatten_datasets(dataset):
        source = getattr(part, 'ann_file', '') or type(part).__name__
        classes = (getattr(part, 'metainfo', None) or {}).get('classes')
        if classes is not None and len(classes) != len(labels):
            raise LabelError(
                f'{source}: the data set has {len(classes)} classes, but the model {len(labels)}; '
                "their scores could not be compared. Give the data set's own class list as "
                '`labels` of the model'
            )
        if not hasattr(part, 'get_data_info'):
            continue
        for index in range(len(part)):
            info = part.get_data_info(index)
            for label in _labels_of(info):
                if not 0 <= label < len(labels):
                    raise LabelError(
                        f'{source}: {info.get("filename", f"entry {index + 1}")} has the label '
                        f'{label}, but the model has {len(labels)} classes (0 to '
                        f'{len(labels) - 1}). Give the class list this file was written for as '
                        '`labels` of the model, or the annotation file of these classes'
                    )


def _labels_of(info: dict[str, Any]) -> Iterable[int]:
    label = info.get('label', ())
    return label if isinstance(label, Iterable) else (label,)


@HOOKS.register_module()
class LabelCheckHook(Hook):
    """A comparison of each data set's labels with the model's ``labels`` before it is used.

    A model without ``labels`` is left unchecked.
    """

    def __init__(self) -> None:
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Check the training set, and the validation set it will meet an epoch later."""
        self._training = True
        self._check(runner, runner.train_dataloader)
        if runner.val_loop is not None:
            self._check(runner, runner.val_dataloader)

    def before_val(self, runner: Runner) -> None:
        """Check the validation set, unless training has checked it."""
        if not self._training:
            self._check(runner, runner.val_dataloader)

    def before_test(self, runner: Runner) -> None:
        """Check the test set."""
        self._check(runner, runner.test_dataloader)

    def _check(self, runner: Runner, loader: Any) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        labels = getattr(model, 'labels', None)
        if labels is not None:
            check_dataset_labels(loader.dataset, list(labels))
