"""Base-to-novel on Something-Something v2: MSTA on ViCLIP-B/16; 16 shots a base class.

Seed 1 of 3. Claims base 21.5, novel 14.9, HM 17.6 (training logs), HM 18.9 (paper).
8 GPUs x 4 videos, float32. All seeds, base and novel classes:

    tools/run_protocol.py base2novel --dataset ssv2 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_viclip_b16.py',
    '../_base_/datasets/ssv2.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/ssv2'

model = dict(
    labels=f'{data_root}/base_labels.txt',
    descriptions=f'{data_root}/descriptions.json',
)
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_train_16shot_seed1.txt'))
val_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
test_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
