"""Base-to-novel on Kinetics-400, the paper's recipe: MSTA on ViCLIP-B/16; 16 shots a base class.

Seed 1 of 3. Claims HM 72.0 (paper): 11 epochs with the consistency loss. The logs' recipe, with
other numbers, is the sibling of 50 epochs. 8 GPUs x 4 videos, float32. All seeds and both halves:

    tools/run_protocol.py base2novel --dataset kinetics400 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_viclip_b16.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/schedules/adamw_11e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/kinetics400'

model = dict(
    labels=f'{data_root}/base_labels.txt',
    descriptions=f'{data_root}/descriptions.json',
)
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_train_16shot_seed1.txt'))
val_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
test_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
