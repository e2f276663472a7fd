"""Few-shot on HMDB-51: MSTA on CLIP-B/16; 16 shots per class, seed 1.

Nothing is published for this model.
8 GPUs x 4 videos, float32. Training and testing, also with other shots and data sets:

    tools/run_protocol.py few_shot --dataset hmdb51 --shots 2 4 8 16 --model clip-b16 --gpus 8

Of this file alone, other shots are
    --cfg-options train_dataloader.dataset.ann_file=data/hmdb51/train_2shot_seed1.txt
"""

_base_ = [
    '../_base_/models/msta_clip_b16.py',
    '../_base_/datasets/hmdb51.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/hmdb51'

model = dict(labels='hmdb51', descriptions=f'{data_root}/descriptions.json')
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/train_16shot_seed1.txt'))
