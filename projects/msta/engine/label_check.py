"""Labels that do not fit the model's class list stop a run before any weight is read."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmaction.evaluation import AccMetric
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from ..datasets.lists.annotations import Video
from ..datasets.lists.check import Expected, check_classes
from ..evaluation.metric import MSTAMetric
from ..evaluation.multi_label import MultiLabelMetric
from ..labels import LabelError
from .wrapped import flatten_datasets, unwrap


def check_dataset_labels(dataset: Any, labels: list[str]) -> None:
    """Check that every label of a data set is an index of ``labels``.

    The data set's own class names, where its ``metainfo`` has them, must be as many.

    Raises:
        LabelError: Naming the annotation file, the label, and both counts.
    """
    for part in flatten_datasets(dataset):
        source = _source(part)
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
                        f'{source}: {_video(info, index)} has the label '
                        f'{label}, but the model has {len(labels)} classes (0 to '
                        f'{len(labels) - 1}). Give the class list this file was written for as '
                        '`labels` of the model, or the annotation file of these classes'
                    )


def check_class_folders(dataset: Any, labels: Sequence[str]) -> list[str]:
    """Compare each video's class with the folder that it lies in, where that is a class's name.

    A class list in another order than the folders shifts every label, and nothing else shows it.

    Returns:
        Warnings, for data sets in which a minority of the videos lies in another class's folder.

    Raises:
        LabelError: Most do: the class list is in another order than the labels.
    """
    warnings = []
    for part in flatten_datasets(dataset):
        infos = [part.get_data_info(i) for i in range(len(part))] if _has_names(part) else []
        videos = [Video(info['name'], int(info['label'])) for info in infos]
        source = _source(part)
        for problem in check_classes(source, videos, labels, Expected()):
            if problem.kind != 'label_mismatch':
                continue
            text = f'{source}: {problem.detail}'
            if 2 * problem.count > len(videos):
                raise LabelError(
                    f'{text}. Give the class list that the labels of this file were counted in as '
                    '`labels` of the model; tools/data/check.py shows more'
                )
            warnings.append(text)
    return warnings


def _source(dataset: Any) -> str:
    path = getattr(dataset, 'ann_file', '')
    return os.path.normpath(path) if path else type(dataset).__name__


def _has_names(dataset: Any) -> bool:
    """Whether a data set tells the paths as its list has them, with one class each."""
    info = dataset.get_data_info(0) if hasattr(dataset, 'get_data_info') and len(dataset) else {}
    return 'name' in info and isinstance(info.get('label'), int)


def check_multi_class(dataset: Any, metrics: Sequence[Any], model: Any) -> None:
    """Check that data set, metrics and head agree on whether a video may have several labels.

    Raises:
        LabelError: they do not, or not on the number of classes.
    """
    head = bool(getattr(getattr(model, 'cls_head', None), 'multi_class', False))
    for part in flatten_datasets(dataset):
        source = _source(part)
        several = bool(getattr(part, 'multi_class', False))
        if several != head:
            raise LabelError(
                f'{source}: the data set has multi_class={several}, but the model '
                f'cls_head.multi_class={head}: set both alike'
            )
        if several and part.num_classes != len(model.labels):
            raise LabelError(
                f'{source}: the data set has num_classes={part.num_classes}, but the model '
                f'{len(model.labels)} labels: give the same list to both'
            )
    for metric in metrics:
        known = isinstance(metric, (MSTAMetric, MultiLabelMetric, AccMetric))
        if known and head == _is_single(metric):
            kind, other = ('one', MultiLabelMetric) if head else ('several', MSTAMetric)
            raise LabelError(
                f'{type(metric).__name__} measures {kind} label(s) per video, but '
                f"cls_head.multi_class={head}: use dict(type='{other.__name__}')"
            )


def _is_single(metric: Any) -> bool:
    if isinstance(metric, AccMetric):
        return bool({'top_k_accuracy', 'mean_class_accuracy'} & set(metric.metrics))
    return isinstance(metric, MSTAMetric)


def _video(info: dict[str, Any], index: int) -> str:
    return os.path.normpath(info['filename']) if 'filename' in info else f'entry {index + 1}'


def _labels_of(info: dict[str, Any]) -> Iterable[int]:
    label = info.get('label', ())
    return label if isinstance(label, Iterable) else (label,)


@HOOKS.register_module()
class LabelCheckHook(Hook):
    """A comparison of the labels of the data sets that a run will use with the model's ``labels``.

    A model without ``labels`` is left unchecked.
    """

    def before_run(self, runner: Runner) -> None:
        """Check every data set; warn of a training that cannot teach what is expected."""
        model = unwrap(runner.model)
        labels = getattr(model, 'labels', None)
        if labels is None:
            return
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            if isinstance(loop, BaseLoop):
                metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())
                for metric in metrics:
                    if getattr(metric, 'labels', labels) is None:
                        metric.labels = list(labels)  # for its table
                check_multi_class(loop.dataloader.dataset, metrics, model)
                check_dataset_labels(loop.dataloader.dataset, list(labels))
                for warning in check_class_folders(loop.dataloader.dataset, list(labels)):
                    runner.logger.warning(warning)
        if isinstance(runner._train_loop, BaseLoop):
            for warning in _vain(model, labels):
                runner.logger.warning(warning)


def _vain(model: Any, labels: Sequence[str]) -> Iterator[str]:
    if len(labels) == 1:
        yield (
            f'the only class is {labels[0]!r}: every answer is right, the loss is 0, and nothing '
            'is learned. Add the classes to tell it from to model.labels'
        )
    alpha = getattr(getattr(model, 'cls_head', None), 'alpha', 0)
    if alpha and getattr(model, 'descriptions', None) is None:
        targets = getattr(model.cls_head, 'targets', ())
        if set(targets) - {'template'}:
            yield (
                f'model.descriptions is None: the consistency loss, alpha={alpha:g}, has nothing '
                'to hold the classes to and is left out. Name a description file '
                '(tools/gen_descriptions.py writes it), or say so: model.cls_head.alpha=0'
            )
