"""A two-class problem of noisy points on MMEngine's real Runner, small enough for every test."""

import itertools
import os
import random
import signal
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.runner import Runner

from projects.msta import compat

compat.apply()
import projects.msta.engine  # noqa: E402, F401 - registers

ROOT = Path(__file__).resolve().parents[2]
_RUNS = itertools.count()


@TRANSFORMS.register_module(force=True)
class Noise:
    """Draws from each of the three global random states that augmentations use."""

    def __call__(self, results: dict) -> dict:
        noise = np.random.rand() + random.random() + torch.rand(()).item()  # noqa: NPY002
        inputs = torch.tensor([results['x'] + noise, 1.0])
        return {'inputs': inputs, 'data_samples': results['label']}


@DATASETS.register_module(force=True)
class Points(BaseDataset):
    """Points, and in ``reads`` how often each was read, by any process."""

    def __init__(self, size: int = 12, ann_file: str = 'points.txt', **kwargs):
        self.size = size
        self.reads = torch.zeros(size, dtype=torch.int64).share_memory_()
        super().__init__(ann_file=ann_file, **kwargs)

    def prepare_data(self, idx: int) -> dict:
        self.reads[idx] += 1
        return super().prepare_data(idx)

    def load_data_list(self) -> list[dict]:
        return [{'x': 2.0 * (i % 2), 'label': i % 2} for i in range(self.size)]


@MODELS.register_module(force=True)
class Line(BaseModel):
    def __init__(self, labels=('low', 'high')):
        super().__init__()
        self.labels = list(labels)
        self.fc = torch.nn.Linear(2, 2)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if self.training:  # as dropout does
            inputs = [x + torch.rand(()) for x in inputs]
        scores = self.fc(torch.stack(inputs))
        target = torch.tensor([int(sample) for sample in data_samples])
        if mode == 'loss':
            return {'loss': torch.nn.functional.cross_entropy(scores, target)}
        return [{'hit': bool(hit)} for hit in scores.argmax(1) == target]


@METRICS.register_module(force=True)
class HitRate(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(sample['hit'] for sample in data_samples)

    def compute_metrics(self, results):
        return {'acc': np.float64(np.mean(results))}


@HOOKS.register_module(force=True)
class Killer(Hook):
    """Kills this process in a part of the loop and an epoch: 'train:3' or 'val:3'."""

    def __init__(self, when: str):
        self.stage, self.epoch = when.split(':')

    def _kill(self, stage: str, epoch: int):
        if stage == self.stage and epoch == int(self.epoch):
            os.kill(os.getpid(), signal.SIGKILL)

    def after_train_iter(self, runner, **kwargs):
        self._kill('train', runner.epoch)

    def after_val_iter(self, runner, **kwargs):
        self._kill('val', runner.epoch)


def make_config(work_dir: Path, epochs: int = 4, workers: int = 0, **changes) -> Config:
    """The project's own runtime settings around the toy problem."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py', import_custom_modules=False)
    loader = dict(
        batch_size=4,
        num_workers=workers,
        persistent_workers=workers > 0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='Points', pipeline=[dict(type='Noise')]),
    )
    val_loader = {
        **loader,
        'num_workers': 0,
        'persistent_workers': False,
        'sampler': dict(type='DefaultSampler', shuffle=False),
    }
    cfg.merge_from_dict(
        dict(
            custom_imports=None,
            work_dir=str(work_dir),
            # Runs of one process share their logged histories by this name.
            experiment_name=f'{work_dir.name}_{next(_RUNS)}',
            model=dict(type='Line'),
            train_dataloader=loader,
            val_dataloader=val_loader,
            test_dataloader=val_loader,
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=1),
            val_cfg=dict(),
            test_cfg=dict(),
            val_evaluator=dict(type='HitRate'),
            test_evaluator=dict(type='HitRate'),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
            param_scheduler=dict(
                type='WarmupUnshiftedCosineLR',
                warmup=1,
                end=4,
                by_epoch=True,
                convert_to_iter_based=True,
            ),
            log_level='ERROR',
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


def train(work_dir: Path, workers: int = 0, resume: bool = False, kill: str = '') -> dict:
    """Train four epochs; give weights, best checkpoint's name and each epoch's accuracy."""
    cfg = make_config(work_dir, workers=workers, resume=resume)
    if kill:
        cfg.custom_hooks = [*cfg.custom_hooks, dict(type='Killer', when=kill)]
    runner = Runner.from_cfg(cfg)
    runner.train()
    best = Path(runner.message_hub.get_info('best_ckpt')).name
    accuracy = runner.message_hub.log_scalars['val/acc'].data[0].tolist()
    return {'weights': weights(runner), 'best': best, 'accuracy': accuracy}


def record(runner: Runner) -> list[list[tuple[list[float], float]]]:
    """Train; give each epoch's batches as the model sees them: inputs, and a draw of its own."""
    epochs: list[list[tuple[list[float], float]]] = []
    forward, call_hook = runner.model.forward, runner.call_hook

    def note_batch(inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            drawn = torch.rand(()).item() + random.random() + np.random.rand()  # noqa: NPY002
            epochs[-1].append(([x[0].item() for x in inputs], drawn))
        return forward(inputs, data_samples, mode)

    def note_epoch(name, **kwargs):
        if name == 'before_train_epoch':
            epochs.append([])
        call_hook(name, **kwargs)

    runner.model.forward, runner.call_hook = note_batch, note_epoch
    runner.train()
    return epochs


def weights(runner: Runner) -> dict[str, list]:
    return {key: value.tolist() for key, value in runner.model.state_dict().items()}
