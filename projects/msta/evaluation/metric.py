"""The metric that accounts for every test video."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ..files import write_json
from ..labels import read_labels
from .measures import (
    confusion_matrix,
    expected_calibration_error,
    mean_class_accuracy,
    per_class,
    ranks,
)


@METRICS.register_module()
class MSTAMetric(BaseMetric):
    """Accuracy, calibration, and how many videos it was measured on.

    Gives, under the prefix 'acc':

    - ``top1``, ``top5``: share of the expected videos whose class is among the k best. Left out
      where k is not below the number of classes, as it would always be 1.
    - ``mean_class``: mean of the classes' top-1 accuracies, over classes that have videos.
    - ``ece``: expected calibration error (15 bins), of the decoded videos.
    - ``expected``, ``decoded``, ``failed``: numbers of videos. A video that could not be decoded
      (``decode_error`` in its sample, set by MSTAVideoDataset) is **counted as wrong** in all
      accuracies, so that they do not depend on which files are broken; ``top1_decoded``, given if
      there are any, is the accuracy without them. One whose scores are not finite is wrong too.
    - ``missing``, given if there are any: expected videos without a result, e.g. of a loader that
      drops the last batch. They are wrong in the top-k accuracies; their classes are not known, so
      ``mean_class`` and the table are of the other videos.
    - ``classes``: number of classes that have videos.

    Upstream's AccMetric counts absent classes as 0, gives top-5 as 1 up to 5 classes, and fails on
    bfloat16.

    Args:
        topk: the k of the top-k accuracies.
        labels: class names for the table, as ``read_labels`` takes them; indices if not given.
        num_bins: bins of the calibration error.
        out_file: JSON file to write with all of this, the per-class table, the confusion matrix and
            the videos that failed.
        collect_device: 'cpu' or 'gpu', where results of several processes meet.
        prefix: of the names, if not 'acc'; needed beside AccMetric.
    """

    default_prefix = 'acc'

    def __init__(
        self,
        topk: Sequence[int] = (1, 5),
        labels: str | Sequence[str] | None = None,
        num_bins: int = 15,
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not topk or min(topk) < 1 or num_bins < 1:
            raise ValueError(f'topk and num_bins must be 1 or more, got {topk} and {num_bins}')
        self.topk, self.num_bins, self.out_file = tuple(topk), num_bins, out_file
        self.labels = None if labels is None else read_labels(labels)
        self._expected: int | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep scores (K,), class and fate of each video."""
        for sample in data_samples:
            self.results.append(
                {
                    'scores': sample['pred_score'].detach().float().cpu(),
                    'label': int(sample['gt_label']),
                    'filename': sample.get('filename', ''),
                    'error': sample.get('decode_error', ''),
                }
            )

    def evaluate(self, size: int) -> dict:
        """Give the metrics of a test set of ``size`` videos."""
        self._expected = size
        return super().evaluate(size)

    def compute_metrics(self, results: list) -> dict:
        """Give the metrics of what :meth:`process` kept, and write ``out_file``."""
        if not results:
            raise ValueError('no results to evaluate: the test set gave no video')
        labels = np.array([result['label'] for result in results])
        failed = np.array([bool(result['error']) for result in results])
        scores = torch.stack([result['scores'] for result in results]).double().numpy()
        names = self._names(labels, results, scores.shape[1])
        if failed.all():
            raise ValueError(
                f'none of the {len(results)} test videos could be decoded, first '
                f'{results[0]["filename"]}: {results[0]["error"]}. Is data_prefix right?'
            )
        expected = len(results) if self._expected is None else self._expected
        place = np.where(failed, len(names), ranks(scores, labels))
        values: dict[str, float] = {
            f'top{k}': float((place < k).sum() / expected) for k in self.topk if k < len(names)
        }
        values['mean_class'] = mean_class_accuracy(place == 0, labels)
        values['ece'] = self._calibration(scores[~failed], labels[~failed])
        values['expected'] = expected
        values['decoded'] = int((~failed).sum())
        values['failed'] = int(failed.sum())
        values['classes'] = len(np.unique(labels))
        if failed.any():
            values['top1_decoded'] = float((place[~failed] == 0).mean())
        if expected > len(results):
            values['missing'] = expected - len(results)
        # As in the accuracies, scores that are not finite are not an answer: argmax would pick NaN.
        answered = ~failed & np.isfinite(scores).all(1)
        predicted = np.where(answered, scores.argmax(1), -1)
        self._report(values, results, names, predicted, labels, failed)
        return values

    def _names(self, labels: np.ndarray, results: list, num_classes: int) -> list[str]:
        if labels.min() < 0 or labels.max() >= num_classes:
            wrong = int(np.flatnonzero((labels < 0) | (labels >= num_classes))[0])
            raise ValueError(
                f'video {results[wrong]["filename"] or wrong} has class {labels[wrong]}, the model '
                f'scores {num_classes} classes: test list and class names do not belong together'
            )
        if self.labels is not None and len(self.labels) != num_classes:
            raise ValueError(
                f'{len(self.labels)} class names, the model scores {num_classes} classes: give '
                'MSTAMetric the class list of the model'
            )
        return self.labels or [str(index) for index in range(num_classes)]

    def _calibration(self, scores: np.ndarray, labels: np.ndarray) -> float:
        finite = np.isfinite(scores).all(1)
        if not finite.all():
            print_log(
                f'{int((~finite).sum())} of {len(scores)} videos have scores that are not finite; '
                'they count as wrong',
                logger='current',
                level=logging.WARNING,
            )
        scores, labels = scores[finite], labels[finite]
        if not len(scores):
            return float('nan')
        if scores.min() < 0 or not np.allclose(scores.sum(1), 1, atol=1e-2):  # logits
            scores = np.exp(scores - scores.max(1, keepdims=True))
            scores /= scores.sum(1, keepdims=True)
        return expected_calibration_error(scores, labels, self.num_bins)

    def _report(
        self,
        values: dict[str, float],
        results: list,
        names: list[str],
        predicted: np.ndarray,
        labels: np.ndarray,
        failed: np.ndarray,
    ) -> None:
        lost = [(r['filename'], r['error']) for r in results if r['error']]
        if lost or 'missing' in values:
            lines = [f'  {name}: {reason}' for name, reason in lost]
            print_log(
                f'{values["decoded"]} of {values["expected"]} test videos were decoded; '
                f'{values["failed"]} failed and {values.get("missing", 0)} have no result, all '
                'counted as wrong (those without a result not in mean_class)\n' + '\n'.join(lines),
                logger='current',
                level=logging.WARNING,
            )
        if self.out_file is None:
            return
        table = per_class(predicted, labels, failed, names)
        report = {
            'values': values,
            'per_class': [asdict(row) for row in table],
            'confusion': confusion_matrix(predicted, labels, len(names)).tolist(),
            # By video, in the order of the list: what paired comparisons are made of.
            'correct': (predicted == labels).tolist(),
            'failed': [{'video': name, 'reason': reason} for name, reason in lost],
        }
        write_json(self.out_file, report, indent=1)
