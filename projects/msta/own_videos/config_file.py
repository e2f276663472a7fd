"""The recipe as a config that ``tools/train.py`` and ``tools/test.py`` take as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..files import replacing
from ..foundation import Architecture
from ..labels import read_labels
from ..paths import CONFIGS
from .collect import Clip
from .recipe import Choice, tell

_FRAMES = 8


def make_config(
    arch: Architecture,
    foundation: Path,
    folder: Path,
    videos: Path,
    choices: Mapping[str, Choice],
    rate: float,
    seed: int,
    test: Sequence[Clip],
    start: Path | None = None,
    lists: Path | None = None,
    multi_label: bool = False,
    threshold: float | None = None,
) -> Config:
    """Lay a recipe out as a config.

    Args:
        arch: the foundation's.
        foundation: its weights.
        folder: what ``adapt`` writes: labels.txt, train.txt, test.txt, descriptions.json.
        videos: the folder that paths in the lists are relative to.
        choices: the recipe, of :func:`.recipe.choose`.
        rate: the learning rate.
        seed: of training.
        test: the clips held out; without any, the config tests nothing.
        start: adapters that training begins with.
        lists: the folder of train.txt and test.txt, if not ``folder``.
        multi_label: whether a video may have several classes.
        threshold: the probability from which on one of several is shown.
    """
    lists = lists or folder
    value = {name: choice.value for name, choice in choices.items()}
    epochs, described = value['epochs'], value['targets'] != ('template',)
    train_views, test_views = _pipelines(arch, value['flip'])
    dataset: dict[str, Any] = dict(
        type='MSTAVideoDataset',
        ann_file=str(lists / 'train.txt'),
        data_prefix=dict(video=str(videos)),
        pipeline=train_views,
        labels=str(folder / 'labels.txt'),
        max_failed=0.2,
        **(dict(multi_class=True) if multi_label else {}),
    )
    held_out = dict(
        dataset,
        ann_file=str(lists / 'test.txt'),
        pipeline=test_views,
        test_mode=True,
        max_failed=1.0,
    )
    if value['balanced']:
        # A class below an even share is repeated (Gupta et al., LVIS, section 4.1).
        share = 1 / len(read_labels(folder / 'labels.txt'))
        dataset = dict(type='ClassBalancedDataset', oversample_thr=share, dataset=dataset)
    head = dict(type='ConsistencyHead', alpha=1.0, targets=tuple(value['targets']))
    if multi_label:
        head |= dict(multi_class=True, threshold=threshold)
    elif value['smoothing']:
        head |= dict(label_smooth_eps=value['smoothing'])
    metric = dict(type='MultiLabelMetric' if multi_label else 'MSTAMetric')
    spelt = {f: getattr(arch, f) for f in arch.__dataclass_fields__ if f != 'kind'}
    settings: dict[str, Any] = dict(
        model=dict(
            type='MSTARecognizer',
            backbone=dict(
                type='MSTABackbone',
                foundation=dict(type=arch.kind, arch=spelt, checkpoint=str(foundation)),
                adapter=dict(
                    type='MSTAAdapter',
                    blocks=tuple(value['blocks']),
                    dim=value['dim'],
                    scale=value['scale'],
                ),
            ),
            cls_head=head,
            labels=str(folder / 'labels.txt'),
            template='a video of {}.',
            descriptions=str(folder / 'descriptions.json') if described else None,
        ),
        train_dataloader=dict(
            batch_size=value['batch'],
            num_workers=2,
            persistent_workers=True,
            drop_last=True,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dataset,
        ),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=rate, betas=(0.9, 0.98), eps=1e-8, weight_decay=1e-3),
        ),
        param_scheduler=[
            dict(
                type='WarmupUnshiftedCosineLR',
                warmup=min(max(1, epochs // 10), epochs - 1),
                min_ratio=0.01,
                begin=0,
                end=epochs,
                by_epoch=True,
                convert_to_iter_based=True,
            )
        ],
        randomness=dict(seed=seed),
        # By the name of the config, all that are adapted would share one folder.
        work_dir=str(folder / 'runs'),
        load_from=None if start is None else str(start),
        default_hooks=dict(
            logger=dict(interval=5),
            checkpoint=dict(interval=max(1, epochs // 5), max_keep_ckpts=1, save_best=None),
        ),
    )
    if test:
        loader = dict(
            batch_size=8,
            num_workers=2,
            persistent_workers=True,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=held_out,
        )
        settings |= dict(
            test_dataloader=loader,
            val_dataloader=loader,
            test_cfg=dict(type='TestLoop'),
            val_cfg=dict(type='ValLoop'),
            test_evaluator=metric,
            val_evaluator=metric,
        )
    if value['cached_views']:
        settings['default_hooks']['feature_cache'] = dict(
            type='FeatureCacheHook', views=value['cached_views'], folder=str(folder / 'features')
        )
    cfg = Config.fromfile(CONFIGS / '_base_' / 'default_runtime.py', import_custom_modules=False)
    cfg.merge_from_dict(settings)
    return cfg


def write_config(path: Path, cfg: Config, choices: Mapping[str, Choice], command: str) -> None:
    """Write a config with its reasons on top, whole or not at all."""
    reasons = '\n'.join(f'    {line}' for line in tell(dict(choices)))
    header = f'"""Adapted to own videos by\n\n    {command}\n\n{reasons}\n"""\n\n'
    with replacing(path) as temporary:
        temporary.write_text(header + cfg.pretty_text, encoding='utf-8')


def _pipelines(arch: Architecture, flip: bool) -> tuple[list[dict], list[dict]]:
    size = arch.image_size
    begin: list[dict[str, Any]] = [
        dict(type='MSTAVideoInit'),
        dict(type='UniformSample', clip_len=_FRAMES),
        dict(type='DecordDecode'),
    ]
    end: list[dict[str, Any]] = [
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    # As large beside its crop as in the published recipe: 256 beside 224.
    around = round(size * 256 / 224)
    squash = arch.resize == 'squash'
    views: list[dict[str, Any]] = [
        dict(type='Resize', scale=(-1, around)),
        dict(
            type='MultiScaleCrop',
            input_size=size,
            scales=(1, 0.875, 0.75, 0.66),
            random_crop=False,
            max_wh_scale_gap=1,
        ),
        dict(type='Resize', scale=(size, size), keep_ratio=False),
        *([dict(type='Flip', flip_ratio=0.5)] if flip else []),
        dict(type='ClipColorJitter', p=0.8),
        dict(type='ClipGrayscale', p=0.2),
    ]
    whole = (
        [dict(type='Resize', scale=(size, size), keep_ratio=False)]
        if squash
        else [dict(type='Resize', scale=(-1, size)), dict(type='CenterCrop', crop_size=size)]
    )
    tested = [dict(begin[0]), dict(begin[1], test_mode=True), dict(begin[2])]
    return [*begin, *views, *end], [*tested, *whole, *end]
