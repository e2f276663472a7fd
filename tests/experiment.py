"""A whole experiment in miniature: random foundation weights, mp4 files, lists and configs."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from projects.msta import compat

compat.apply()

from projects.msta.foundation import build_foundation  # noqa: E402
from projects.msta.foundation.load import save_foundation  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 2, 'heads': 2, 'embed_dim': 16,
    'text_width': 16, 'text_layers': 2, 'text_heads': 2, 'context_length': 16, 'num_frames': 4,
}  # fmt: skip

CONFIG = """
_base_ = ['{root}/configs/_base_/default_runtime.py']
model = dict(
    type='MSTARecognizer',
    backbone=dict(
        type='MSTABackbone',
        foundation=dict(type='ViCLIP', arch={arch}, checkpoint='{folder}/foundation.safetensors'),
        adapter=dict(type='MSTAAdapter', blocks=(1, 2), dim=8, scale=0.5),
    ),
    cls_head=dict(type='ConsistencyHead', alpha=1.0),
    labels='{folder}/labels.txt',
)
pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=4, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(16, 16), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
random_pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=4),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(16, 16), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
videos = dict(
    type='MSTAVideoDataset',
    ann_file='{folder}/list.txt',
    data_prefix=dict(video='{folder}/videos'),
    pipeline={pipeline},
)
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=videos,
)
val_dataloader = dict(
    batch_size=3,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='MSTAVideoDataset',
        ann_file='{folder}/test_list.txt',
        data_prefix=dict(video='{folder}/videos'),
        pipeline=pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01, eps=1e-3))
param_scheduler = [
    dict(type='WarmupUnshiftedCosineLR', warmup=1, end=4, convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=2)
log_level = 'WARNING'
"""


def write_coloured(path: Path, index: int) -> None:
    """Frames whose colour shows the class, ``index % 3``, so that there is something to learn."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (48, 32))
    frame = np.random.default_rng(index).integers(0, 60, (32, 48, 3), dtype=np.uint8)
    frame[..., index % 3] += 190
    for shift in range(12 + index):
        writer.write(np.ascontiguousarray(np.roll(frame, shift, axis=1)))
    writer.release()


class Experiment:
    """Paths of the miniature, and its tools as processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random = self._write('random', 'random_pipeline')
        self.fixed = self._write('fixed', 'pipeline')

    def _write(self, name: str, pipeline: str) -> Path:
        path = self.folder / f'{name}.py'
        path.write_text(CONFIG.format(root=ROOT, folder=self.folder, arch=ARCH, pipeline=pipeline))
        return path

    def tool(self, *arguments: object, **options) -> subprocess.CompletedProcess:
        """Run a tool from another folder, as users do."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            **options_of(options),
        )

    def start(self, *arguments: object, **options) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **options_of(options),
        )

    def command(self, name: str, *arguments: object) -> list[str]:
        interpreter = [] if name.endswith('.sh') else [sys.executable]
        return [*interpreter, str(ROOT / 'tools' / name), *map(str, arguments)]


def options_of(options: dict) -> dict:
    extra = options.pop('env', {})
    env = {**os.environ, 'PYTHON': sys.executable, **extra}
    return {'cwd': '/', 'env': env, 'stdin': subprocess.DEVNULL, **options}


def make_experiment(folder: Path) -> Experiment:
    """Write weights, videos, lists and labels into an empty folder."""
    (folder / 'videos').mkdir()
    torch.manual_seed(0)
    model = build_foundation({'type': 'ViCLIP', 'arch': ARCH})
    save_foundation(model, folder / 'foundation.safetensors')
    lines = []
    for index in range(8):
        write_coloured(folder / 'videos' / f'clip {index}.mp4', index)
        lines.append(f'clip {index}.mp4 {index % 3}\n')
    (folder / 'list.txt').write_text(''.join(lines))
    (folder / 'test_list.txt').write_text(''.join(lines[:7]))
    (folder / 'labels.txt').write_text('moving left\nspinning\ngrowing\n')
    return Experiment(folder)
