"""A Shapes world of eight classes with random foundation weights, small enough for every test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 2, 'heads': 2, 'embed_dim': 16,
    'text_width': 16, 'text_layers': 2, 'text_heads': 2, 'context_length': 40, 'num_frames': 4,
}  # fmt: skip

CONFIG = """
_base_ = [
    '{root}/configs/_base_/schedules/adamw_50e.py',
    '{root}/configs/_base_/default_runtime.py',
]
model = dict(
    type='MSTARecognizer',
    backbone=dict(
        type='MSTABackbone',
        foundation=dict(type='ViCLIP', arch={arch}, checkpoint='{folder}/foundation.safetensors'),
        adapter=dict(type='MSTAAdapter', blocks=(1, 2), dim=8, scale=1.0),
    ),
    cls_head=dict(type='ConsistencyHead', alpha=1.0),
    labels='{folder}/labels_base.txt',
    template='a video of {{}}.',
    descriptions='{folder}/descriptions.json',
)
train_pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=4),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(16, 16), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=4, num_clips=2, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(16, 16), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='MSTAVideoDataset',
        ann_file='{folder}/base_train.txt',
        data_prefix=dict(video='{folder}'),
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='MSTAVideoDataset',
        ann_file='{folder}/base_test.txt',
        data_prefix=dict(video='{folder}'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
val_evaluator = test_evaluator = dict(type='MSTAMetric')
train_cfg = dict(max_epochs=2)
param_scheduler = [
    dict(type='WarmupUnshiftedCosineLR', warmup=1, end=2, convert_to_iter_based=True)
]
optim_wrapper = dict(optimizer=dict(lr=1e-2))
auto_scale_lr = dict(base_batch_size=4)
"""


@dataclass(frozen=True)
class World:
    folder: Path
    config: Path

    def arguments(self, protocol: str, work_dir: Path, *more: object) -> list[str]:
        """Of tools/run_protocol.py."""
        given = [protocol, '--dataset', 'shapes', '--config', self.config, '--work-dir', work_dir]
        return [str(argument) for argument in (*given, *more)]


@pytest.fixture(scope='session')
def world(tmp_path_factory) -> World:
    import torch

    from projects.msta.datasets.lists.annotations import Video, write_annotations, write_lines
    from projects.msta.datasets.shapes.classes import BASE_ACTIONS, NOVEL_ACTIONS
    from projects.msta.datasets.shapes.contents import Clip, Recipe, describe_actions
    from projects.msta.datasets.shapes.folder import write_video
    from projects.msta.descriptions import write_descriptions
    from projects.msta.foundation import build_foundation, save_foundation

    folder = tmp_path_factory.mktemp('shapes world')
    halves = {'base': list(BASE_ACTIONS[:4]), 'novel': list(NOVEL_ACTIONS[:4])}
    halves['all'] = halves['base'] + halves['novel']
    recipe = Recipe(num_frames=8, side=32)

    def write_list(name: str, half: str, domain: str, split: str, numbers: range) -> None:
        videos = []
        for label, action in enumerate(halves[half]):
            for number in numbers:
                clip = Clip(action, domain, split, number)
                videos.append(Video(clip.path, label))
                if not (folder / clip.path).exists():
                    write_video(folder / clip.path, clip.frames(recipe))
        write_annotations(folder / name, videos)

    for half, suffix in (('base', '_base'), ('novel', '_novel'), ('all', '')):
        write_lines(folder / f'labels{suffix}.txt', [action.name for action in halves[half]])
    write_descriptions(folder / 'descriptions.json', describe_actions(halves['all']))
    for seed in (1, 2):
        numbers = range(seed, seed + 2)
        write_list(f'base_train_16shot_seed{seed}.txt', 'base', 'target', 'train', numbers)
    write_list('target_train_2shot_seed1.txt', 'all', 'target', 'train', range(2))
    write_list('base_train.txt', 'base', 'target', 'train', range(3))
    write_list('target_train.txt', 'all', 'target', 'train', range(3))
    for half, name in (('base', 'base'), ('novel', 'novel'), ('all', 'target')):
        write_list(f'{name}_test.txt', half, 'target', 'test', range(2))
    write_list('plain_novel_test.txt', 'novel', 'plain', 'test', range(2))
    torch.manual_seed(0)
    save_foundation(
        build_foundation({'type': 'ViCLIP', 'arch': ARCH}), folder / 'foundation.safetensors'
    )
    config = folder / 'small.py'
    config.write_text(CONFIG.format(root=ROOT, folder=folder, arch=ARCH))
    return World(folder, config)


def read_report(work_dir: Path, protocol: str) -> dict:
    """The one report of a protocol in a work folder."""
    (path,) = work_dir.glob(f'{protocol}-*/report.json')
    return json.loads(path.read_text(encoding='utf-8'))
