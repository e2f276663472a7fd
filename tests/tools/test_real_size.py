"""The Kinetics config as it ships, on real mp4 files, with the real-size model."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).parents[2]


def write_video(path, seed):
    """A second of moving noise, 320x240."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 25, (320, 240))
    texture = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    for shift in range(25):
        writer.write(np.roll(texture, 4 * shift, axis=1))
    writer.release()


def test_one_step_of_the_kinetics_config(tmp_path):
    for number in range(2):
        write_video(tmp_path / f'clip {number}.mp4', number)
    (tmp_path / 'train.txt').write_text('clip 0.mp4 0\nclip 1.mp4 399\n')
    options = {
        'model.backbone.foundation.checkpoint': None,
        'model.descriptions': None,
        'train_dataloader.dataset.ann_file': tmp_path / 'train.txt',
        'train_dataloader.dataset.data_prefix.video': tmp_path,
        'train_dataloader.batch_size': 1,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_cfg.max_epochs': 1,
        'param_scheduler.0.warmup': 0,
        'default_hooks.checkpoint.interval': 1,
    }
    command = [sys.executable, str(ROOT / 'tools' / 'train.py')]
    command += [str(ROOT / 'configs' / 'msta_vitb16_k400.py'), '--no-validate']
    command += ['--work-dir', str(tmp_path / 'run'), '--cfg-options']
    command += [f'{key}={value}' for key, value in options.items()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'RANDOM weights' in done.stdout + done.stderr
    state = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)['state_dict']
    trained = sum(v.numel() for k, v in state.items() if not k.endswith('_extra_state'))
    assert trained == 8_712_192
    assert (tmp_path / 'run' / 'epoch_1.pth').stat().st_size < 110e6  # with AdamW's two moments


def test_without_weights_or_data_it_says_what_to_fetch(tmp_path):
    command = [sys.executable, str(ROOT / 'tools' / 'train.py')]
    command += [str(ROOT / 'configs' / 'msta_vitb16_k400.py'), '--work-dir', str(tmp_path)]
    command += ['--cfg-options', 'model.backbone.foundation.checkpoint=nowhere/ViCLIP.pth']
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    assert 'error: ' in done.stderr
    assert 'kinetics400' in done.stderr or 'ViCLIP-B_InternVid-FLT-10M.pth' in done.stderr
