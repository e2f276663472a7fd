"""Base-to-novel on HMDB-51: MSTA on CLIP-B/16; 16 shots a base class.

Seed 1 of 3. Nothing is published for this model.
8 GPUs x 4 videos, float32. All seeds, base and novel classes:

    tools/run_protocol.py base2novel --dataset hmdb51 --model clip-b16 --gpus 8    # or ucf101
"""

_base_ = [
    '../_base_/models/msta_clip_b16.py',
    '../_base_/datasets/hmdb51.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/hmdb51'

model = dict(
    labels=f'{data_root}/base_labels.txt',
    descriptions=f'{data_root}/descriptions.json',
)
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_train_16shot_seed1.txt'))
val_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
test_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_test.txt'))
