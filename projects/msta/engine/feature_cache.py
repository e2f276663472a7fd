"""Few-shot training on cached features: the frozen part of a few augmented views, computed once.

An approximation: instead of a new random view in every epoch, each video has A of them.
"""

import json
import os
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import HOOKS
from mmaction.structures import ActionDataSample
from mmengine.dist import barrier, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..datasets.decoding import VideoDecodeError
from ..foundation import TokenLayout
from ..models.frozen_features import VideoFeatures
from ..paths import FEATURE_CACHE
from .feature_store import DTYPES, FeatureCacheError, FeatureStore
from .seeding import mix_seed, seed_everything
from .wrapped import flatten_datasets, unwrap

# Counts up when the same settings come to give other features, as when videos are read otherwise.
_FORMAT = 'features/3'


class _Views(Dataset):
    """The A views of some videos of a data set: ``(index, (A, C, T, H, W))``, None if unreadable.

    A view's random numbers come from the seed, the video's name and the view's number alone.
    """

    def __init__(self, dataset: Any, indices: Sequence[int], views: int, seed: int) -> None:
        self.dataset, self.indices, self.views, self.seed = dataset, indices, views, seed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[int, Tensor | None]:
        index = self.indices[position]
        info = self.dataset.get_data_info(index)
        name = zlib.crc32(os.fsencode(str(info.get('name', info['filename']))))
        clips = []
        for view in range(self.views):
            seed_everything(mix_seed(self.seed, name, view))
            data = self.dataset.prepare_data(index)
            if data is None:
                return index, None
            if len(data['inputs']) != 1:
                raise FeatureCacheError(
                    f'the training pipeline takes {len(data["inputs"])} clips of a video; features '
                    'are cached of one (num_clips=1)'
                )
            clips.append(data['inputs'][0])
        return index, torch.stack(clips)


class DrawFeatures:
    """Stand-in for a training pipeline: one of a video's cached views, drawn at random.

    The draw is from the global random state, which EpochSeedHook sets from seed and epoch.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.store = store

    def __call__(self, info: dict[str, Any]) -> dict[str, Any]:
        view = random.randrange(self.store.shape[0])
        try:
            features = self.store.read(info['filename'], view)
        except OSError as error:
            raise VideoDecodeError(info['filename'], 'other', 'not in the feature cache') from error
        return {
            'features': features,
            'data_samples': ActionDataSample().set_gt_label(info['label']),
        }


class FeatureBatches(nn.Module):
    """Stand-in for a data preprocessor: batches of features become clips before ``block``.

    Other batches, as in validation, are frames, and ``frames`` is given them.
    """

    def __init__(self, frames: nn.Module, layout: TokenLayout, block: int) -> None:
        super().__init__()
        self.frames, self.layout, self.block = frames, layout, block

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        if 'features' not in data:
            return self.frames(data, training)
        data = self.frames.cast_data(data)  # type: ignore[operator]
        x, *out = torch.stack(data['features'], 1).flatten(1, 2).float()
        state = VideoFeatures(x, self.layout, self.block, *out)
        return {'inputs': state, 'data_samples': data['data_samples']}


@HOOKS.register_module()
class FeatureCacheHook(Hook):
    """Training on features of A fixed views of each video instead of on frames.

    What lies below the first adapted video block is computed before training, once for each view,
    and kept on disk for later runs with the same foundation, pipeline and seed. An epoch draws
    one of its views for each video. Validation and testing decode frames as ever. An interrupted
    computation continues where it stopped.

    Args:
        views: A.
        dtype: ``'bfloat16'``, or ``'float32'`` to lose nothing.
        folder: where features are kept; by default ``data/feature_cache``.
        max_gib: the most that this folder may hold.
    """

    # After the labels were checked.
    priority = 'LOW'

    def __init__(
        self,
        views: int = 4,
        dtype: str = 'bfloat16',
        folder: str | Path = FEATURE_CACHE,
        max_gib: float = 50.0,
    ) -> None:
        if views < 1:
            raise FeatureCacheError(f'FeatureCacheHook: views={views} must be at least 1')
        if dtype not in DTYPES:
            raise FeatureCacheError(f'FeatureCacheHook: dtype={dtype!r} is not one of {[*DTYPES]}')
        self.views, self.dtype, self.folder, self.max_gib = views, dtype, Path(folder), max_gib
        self._replaced: list[tuple[Any, str, Any]] = []

    def before_train(self, runner: Runner) -> None:
        """Compute what is not there yet, and train on it from now on."""
        model = unwrap(runner.model)
        block = model.backbone.adapter.first_video_block(model.backbone.foundation)
        if block == 0:
            raise FeatureCacheError(
                f'{type(model.backbone.adapter).__name__} trains the video tower from its start: '
                'there is no frozen part whose features could be cached. Leave FeatureCacheHook out'
            )
        if getattr(model.data_preprocessor, 'blending', None) is not None:
            raise FeatureCacheError(
                'blending mixes frames, which cached features no longer have; remove '
                'data_preprocessor.blending, or FeatureCacheHook'
            )
        datasets = list(flatten_datasets(runner.train_dataloader.dataset))
        first, layout = self._one(model, datasets)
        shape = (self.views, *first.shape)
        store = FeatureStore(self.folder, self._facts(runner, model, block), shape, self.dtype)
        self._fill(runner, model, datasets, store)
        for dataset in datasets:
            self._replace(dataset, 'pipeline', DrawFeatures(store))
        batches = FeatureBatches(model.data_preprocessor, layout, block)
        self._replace(model, 'data_preprocessor', batches)

    def after_train(self, runner: Runner) -> None:
        """Give the data sets and the model their own parts back."""
        for owner, name, original in self._replaced:
            setattr(owner, name, original)
        self._replaced = []

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _facts(self, runner: Runner, model: Any, block: int) -> dict[str, Any]:
        """Give all that features depend on, except the video."""
        pipelines = list(_pipelines(runner.cfg.get('train_dataloader', {}).get('dataset')))
        if not pipelines:
            raise FeatureCacheError(
                'the training pipeline is not in the config (train_dataloader.dataset.pipeline), '
                'so its features could not be told from those of another'
            )
        frames = model.data_preprocessor
        return {
            'format': _FORMAT,
            'foundation': model.backbone.fingerprint,
            'below block': block,
            'pipeline': json.loads(json.dumps(pipelines, default=str)),
            'mean, std': [frames.mean.flatten().tolist(), frames.std.flatten().tolist()],
            'to_rgb': bool(getattr(frames, 'to_rgb', False)),
            'seed': runner.seed,
            'views': self.views,
            'dtype': self.dtype,
        }

    def _one(self, model: Any, datasets: Sequence[Any]) -> tuple[Tensor, TokenLayout]:
        """Compute the features ``(P, R, L, W)`` of one view, for their size and layout."""
        for dataset in datasets:
            for index in range(len(dataset)):
                _, clips = _Views(dataset, [index], 1, 0)[0]
                if clips is not None:
                    state = _compute(model, clips)
                    return features_of(state, views=1)[0], state.layout
        raise FeatureCacheError('feature cache: none of the training videos can be read')

    def _fill(
        self, runner: Runner, model: Any, datasets: Sequence[Any], store: FeatureStore
    ) -> None:
        todo = [_missing(dataset, store) for dataset in datasets]
        missing, total = sum(map(len, todo)), sum(map(len, datasets))
        store.reserve(missing, self.max_gib)
        runner.logger.info(
            f'feature cache {store.folder}: {total} videos x {self.views} views, '
            f'{store.bytes_per_video:,} bytes per video; {missing} videos to compute'
        )
        barrier()  # all processes have seen the same files
        world = get_world_size()
        for dataset, indices in zip(datasets, todo, strict=True):
            mine = indices[runner.rank :: world]
            clips_of = DataLoader(
                _Views(dataset, mine, self.views, runner.seed),
                batch_size=None,
                num_workers=min(runner.train_dataloader.num_workers, len(mine)),
            )
            for done, (index, clips) in enumerate(clips_of, 1):
                if clips is not None:
                    features = features_of(_compute(model, clips), self.views)
                    store.write(dataset.get_data_info(index)['filename'], features)
                if done % max(1, len(mine) // 20) == 0:
                    runner.logger.info(f'feature cache: {done} of {len(mine)} videos')
        barrier()


def _missing(dataset: Any, store: FeatureStore) -> list[int]:
    """List the indices of videos without features; a video that is missing can have none."""
    paths = [dataset.get_data_info(index)['filename'] for index in range(len(dataset))]
    return [i for i, path in enumerate(paths) if Path(path).exists() and not store.holds(path)]


def _pipelines(dataset: Any) -> Iterator[Any]:
    """Yield the pipelines of a data set's config and of those it wraps."""
    if isinstance(dataset, Mapping):
        if 'pipeline' in dataset:
            yield dataset['pipeline']
        for part in (dataset.get('dataset'), *(dataset.get('datasets') or ())):
            yield from _pipelines(part)


def features_of(state: VideoFeatures, views: int) -> Tensor:
    """Stack what is kept of A views, ``(A, P, R, L, W)``."""
    parts = [state.x] if state.out is None else [state.x, state.out]
    return torch.stack([part.unflatten(0, (views, -1)) for part in parts], 1)


def _compute(model: Any, clips: Tensor) -> VideoFeatures:
    """Take frames ``(A, C, T, H, W)``, uint8, to the first adapted block."""
    data = {'inputs': list(clips.unsqueeze(1)), 'data_samples': None}
    with torch.no_grad():
        video = model.data_preprocessor.preprocess(
            model.data_preprocessor.cast_data(data)['inputs'], None
        )[0]
        return model.backbone.video_state(video.flatten(0, 1))
