"""Average precision of videos with several labels; classes and failed videos accounted for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmaction.evaluation import mean_average_precision
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ..files import write_json
from ..labels import read_labels


def average_precisions(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Average precision of each class ``(K,)`` in 0..1; NaN for one that no video shows.

    The area under the steps of precision over recall, by MMAction2. A row of scores that are not
    finite (a video that could not be read) is ranked below all others.

    Args:
        scores: ``(N, K)``; the larger, the likelier.
        truth: ``(N, K)``, 1 where a video shows a class.
    """
    truth = np.asarray(truth, bool)
    known = np.isfinite(scores).all(1)
    lowest = scores[known].min() - 1 if known.any() else 0.0
    scores = np.where(known[:, None], scores, lowest)
    return np.array(
        [
            mean_average_precision(scores[:, [k]], truth[:, [k]]) if truth[:, k].any() else np.nan
            for k in range(truth.shape[1])
        ]
    )


@METRICS.register_module()
class MultiLabelMetric(BaseMetric):
    """mAP of videos with several labels, and how many videos it was measured on.

    Gives, under the prefix 'acc': ``mAP``, the mean over ``classes`` that some video shows of their
    average precisions (MMAction2's AccMetric gives the same as ``mean_average_precision``); and
    ``expected``, ``decoded`` and ``failed`` numbers of videos. A video that could not be decoded is
    ranked last in every class. The classes' own values are logged.

    Args:
        labels: class names for the table, as ``read_labels`` takes them; indices if not given.
        out_file: JSON file to write with all of this.
        collect_device: 'cpu' or 'gpu', where results of several processes meet.
        prefix: of the names, if not 'acc'.
    """

    default_prefix = 'acc'

    def __init__(
        self,
        labels: str | Sequence[str] | None = None,
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.labels = None if labels is None else read_labels(labels)
        self.out_file = out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep scores and labels (K,), and fate of each video."""
        for sample in data_samples:
            scores, truth = sample['pred_score'], sample['gt_label']
            if scores.shape != truth.shape:
                raise ValueError(
                    f'labels of shape {tuple(truth.shape)} for {len(scores)} scores: '
                    'MultiLabelMetric needs a data set with multi_class=True'
                )
            self.results.append(
                {
                    'scores': scores.detach().float().cpu(),
                    'truth': truth.bool().cpu(),
                    'filename': sample.get('filename', ''),
                    'error': sample.get('decode_error', ''),
                }
            )

    def compute_metrics(self, results: list) -> dict:
        """Give the metrics of what :meth:`process` kept, and write ``out_file``."""
        if not results:
            raise ValueError('no results to evaluate: the test set gave no video')
        lost = [(r['filename'], r['error']) for r in results if r['error']]
        if len(lost) == len(results):
            raise ValueError(
                f'none of the {len(results)} test videos could be decoded, first {lost[0][0]}: '
                f'{lost[0][1]}. Is data_prefix right?'
            )
        scores = torch.stack([r['scores'] for r in results]).double().numpy()
        scores[[bool(r['error']) for r in results]] = np.nan
        truth = torch.stack([r['truth'] for r in results]).numpy()
        if not truth.any():
            raise ValueError(f'none of the {len(results)} test videos shows any class')
        names = self.labels or [str(index) for index in range(truth.shape[1])]
        if len(names) != truth.shape[1]:
            raise ValueError(f'{len(names)} class names, the model scores {truth.shape[1]} classes')
        values = average_precisions(scores, truth)
        found = {
            'mAP': float(np.nanmean(values)),
            'classes': int(np.isfinite(values).sum()),
            'expected': len(results),
            'decoded': len(results) - len(lost),
            'failed': len(lost),
        }
        table = [
            {'name': name, 'videos': int(count), 'ap': None if np.isnan(ap) else float(ap)}
            for name, count, ap in zip(names, truth.sum(0), values, strict=True)
        ]
        lines = [f'  {r["name"]}: {r["ap"]:.3f} ({r["videos"]})' for r in table if r['videos']]
        print_log('average precision (videos):\n' + '\n'.join(lines), logger='current')
        if lost:
            lines = [f'  {name}: {reason}' for name, reason in lost]
            print_log(
                f'{len(lost)} videos could not be decoded and are ranked last in every class\n'
                + '\n'.join(lines),
                logger='current',
                level=logging.WARNING,
            )
        if self.out_file is not None:
            failed = [{'video': name, 'reason': reason} for name, reason in lost]
            write_json(
                self.out_file, {'values': found, 'per_class': table, 'failed': failed}, indent=1
            )
        return found
