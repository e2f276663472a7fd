"""A video data set that survives unreadable files and accounts for every one of them."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.datasets import VideoDataset
from mmaction.registry import DATASETS
from mmengine.dist import get_rank
from mmengine.logging import print_log

from ..labels import read_labels
from .decoding import REASONS, VideoDecodeError
from .lists.annotations import AnnotationError, read_annotations, read_skip_list
from .random_state import seeded

_CODES = list(REASONS)


class TooManyUnreadableVideosError(RuntimeError):
    """Training stops: more videos than ``max_failed`` allows could not be read."""


def _say(message: str) -> None:
    # MMEngine shows nothing below an error of processes other than the first.
    level = logging.WARNING if get_rank() == 0 else logging.ERROR
    print_log(message, logger='current', level=level)


@DATASETS.register_module()
class MSTAVideoDataset(VideoDataset):
    """VideoDataset with spaces in file names, skip lists, and an account of unreadable videos.

    Training: an unreadable video is named once, counted, never tried again, and replaced by another
    of its class, always the same for the same `seed`. Above `max_failed` the run stops with the
    list.

    Testing: nothing is dropped. An unreadable video yields black frames, marked in the sample's
    meta information (``decode_error``: a key of :data:`~.decoding.REASONS`, else ''); MSTAMetric
    counts it as a wrong answer and reports expected, decoded and failed numbers. ``filename``
    travels with it.

    The account is kept in memory shared with the DataLoader's workers. Each process of a
    distributed run has its own, so `max_failed` bounds what one process meets.

    Args:
        ann_file: text list, CSV, or '' for one folder per class under ``data_prefix['video']``; see
            :func:`~.annotations.read_annotations`.
        pipeline: transforms, the first of them ``MSTAVideoInit``.
        data_prefix: the folder that paths are relative to.
        labels: class names (as ``read_labels`` takes them) that the class indices must agree with.
        skip_list: file of videos not to open. Left out in training; in testing, counted as failed.
        max_failed: unreadable training videos allowed: a number, or a fraction of the list if below
            1 (one video at least).
        seed: of the choice of replacements.
        delimiter: what stands before the label in a text list, if not white space.
        kwargs: of ``VideoDataset``. With ``multi_class=True`` a video may have several classes
            (``path 1 3 7``), and its label is a vector ``(K,)`` of 0 and 1; a replacement shares
            the first.
    """

    def __init__(
        self,
        ann_file: str = '',
        pipeline: Sequence[dict | Callable] = (),
        data_prefix: dict | None = None,
        labels: str | Sequence[str] | None = None,
        skip_list: str | None = None,
        max_failed: float = 0.05,
        seed: int = 0,
        delimiter: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get('multi_class'):
            if labels is not None:
                kwargs.setdefault('num_classes', len(read_labels(labels)))
            if kwargs.get('num_classes') is None:
                raise ValueError('multi_class=True needs labels, or num_classes')
        if max_failed < 0:
            raise ValueError(f'max_failed must be 0 or more, got {max_failed}')
        self.labels, self.skip_list = labels, skip_list
        self.max_failed, self.seed = max_failed, seed
        data_prefix = dict(video='') if data_prefix is None else data_prefix
        super().__init__(ann_file, list(pipeline), data_prefix, delimiter=delimiter, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the annotations; paths are joined to the prefix, and kept as ``name`` without it."""
        prefix = self.data_prefix.get('video') or ''
        source = self.ann_file or prefix
        if not source:
            raise AnnotationError("no videos: give ann_file, or data_prefix=dict(video='folder')")
        videos = read_annotations(
            source,
            self.labels,
            self.delimiter,
            need_labels=self.multi_class or not self.test_mode,
            multi_class=self.multi_class,
        )
        largest = max(max(video.labels) for video in videos)
        if self.num_classes is not None and largest >= self.num_classes:
            raise AnnotationError(
                f'{source}: class index {largest}, but num_classes is {self.num_classes}'
            )
        skipped = read_skip_list(self.skip_list) if self.skip_list else {}
        self._skipped_names = frozenset(skipped)
        kept = [v for v in videos if self.test_mode or v.path not in skipped]
        if self.skip_list:
            count = sum(v.path in skipped for v in videos)
            fate = 'counted as failed' if self.test_mode else 'left out'
            print_log(
                f'{source}: {count} of {len(videos)} videos are in the skip list '
                f'{self.skip_list} ({len(skipped)} entries) and are {fate}',
                logger='current',
            )
        if not kept:
            raise AnnotationError(f'{source}: all {len(videos)} videos are in {self.skip_list}')
        return [
            dict(
                filename=str(Path(prefix, v.path)),
                name=v.path,
                label=list(v.labels) if self.multi_class else v.label,
            )
            for v in kept
        ]

    def full_init(self) -> None:
        if not self._fully_initialized:
            super().full_init()
            self._start_account()

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        super().get_subset_(indices)
        self._start_account()

    def get_subset(self, indices: Sequence[int] | int) -> MSTAVideoDataset:
        subset = super().get_subset(indices)
        subset._start_account()
        return subset

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the classes of a sample, for MMEngine's ``ClassBalancedDataset``."""
        label = self.get_data_info(idx)['label']
        return label.nonzero().flatten().tolist() if self.multi_class else [label]

    def _start_account(self) -> None:
        infos = [self.get_data_info(idx) for idx in range(len(self))]
        self._classes = np.array([self.get_cat_ids(idx)[0] for idx in range(len(self))])
        # 0: readable as far as known; else 1 + the reason's place in REASONS.
        self._account = torch.zeros(len(infos), dtype=torch.uint8).share_memory_()
        for idx, info in enumerate(infos):
            if info['name'] in self._skipped_names:
                self._account[idx] = 1 + _CODES.index('skipped')

    def __deepcopy__(self, memo: dict) -> MSTAVideoDataset:
        # Runner.build_dataloader copies a data set given as an object; a plain copy of the tensor
        # would no longer be shared with the workers.
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        if other._fully_initialized:
            other._account.share_memory_()
        return other

    @property
    def failures(self) -> list[tuple[str, str]]:
        """(name, reason) of the videos that could not be read so far, in the order of the list."""
        return [
            (self.get_data_info(idx)['name'], _CODES[int(self._account[idx]) - 1])
            for idx in torch.nonzero(self._account).flatten().tolist()
        ]

    def __getitem__(self, idx: int) -> dict:
        self.full_init()
        if self.test_mode:
            return self._test_sample(idx)
        # A replacement draws alike whether the video was tried just now or is known to fail.
        seed = random.getrandbits(32)
        for candidate in self._candidates(idx):
            with nullcontext() if candidate == idx else seeded(seed):
                data = self.prepare_data(candidate)
            if data is not None:
                if 'data_samples' in data:  # which video a loss came from
                    name = self.get_data_info(candidate)['name']
                    data['data_samples'].set_metainfo(dict(filename=name))
                return data
        raise TooManyUnreadableVideosError(self._list('none of the videos can be read'))

    def prepare_data(self, idx: int) -> dict | None:
        """Run the pipeline; None for an unreadable video, which enters the account."""
        if self._account[idx]:
            return None
        info = self.get_data_info(idx)
        name = info['name']
        try:
            return self.pipeline(info)
        except VideoDecodeError as error:
            self._enter(idx, error)
            return None
        except Exception as error:
            error.add_note(f'while preparing {name}')
            raise

    def _test_sample(self, idx: int) -> dict:
        data = self.prepare_data(idx)
        info = self.get_data_info(idx)
        name, code = info['name'], int(self._account[idx])
        if data is None:
            data = self.pipeline(dict(info, placeholder=True))
        if not data or 'data_samples' not in data:
            raise RuntimeError(f'{name}: the test pipeline must end in PackActionInputs')
        reason = _CODES[code - 1] if code else ''
        data['data_samples'].set_metainfo(dict(filename=name, decode_error=reason))
        return data

    def _candidates(self, idx: int) -> Iterator[int]:
        """A video, and those to take its place, in an order of its own: first those of its class.

        It does not depend on which videos are known to fail, so that the first readable one is the
        same whichever process comes across it, and when.
        """
        yield idx
        order = np.random.default_rng((self.seed, idx)).permutation(len(self))
        same = self._classes[order] == self._classes[idx]
        others = np.concatenate([order[same], order[~same]])
        yield from (int(other) for other in others if other != idx)

    def _enter(self, idx: int, error: VideoDecodeError) -> None:
        if self._account[idx]:
            return
        self._account[idx] = 1 + _CODES.index(error.reason)
        failed = int((self._account > 0).sum())
        total = len(self)
        if self.test_mode:
            _say(f'unreadable video {error}; counted as a wrong answer ({failed} failed so far)')
            return
        limit = self.max_failed if self.max_failed >= 1 else max(1, self.max_failed * total)
        limit = int(limit) if self.max_failed else 0
        _say(
            f'unreadable video {error}; another takes its place ({failed} failed of {total}, the '
            f'run stops above {limit})'
        )
        if failed > limit:
            raise TooManyUnreadableVideosError(
                self._list(f'{failed} of {total} videos cannot be read, {limit} are allowed')
            )

    def _list(self, problem: str, most: int = 50) -> str:
        lines = [f'  {name}: {REASONS[reason]}' for name, reason in self.failures]
        rest = [f'  and {len(lines) - most} more'] if len(lines) > most else []
        advice = 'Check the data with tools/data/check.py; its skip list leaves them out.'
        return '\n'.join([f'{self.ann_file}: {problem}:', *lines[:most], *rest, advice])
