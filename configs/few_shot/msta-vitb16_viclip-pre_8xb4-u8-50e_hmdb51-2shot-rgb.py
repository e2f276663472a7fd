"""Few-shot on HMDB-51: MSTA on ViCLIP-B/16; 2 shots a class, seed 1.

Claims 61.2 top-1 (training logs, best epoch).
8 GPUs x 4 videos, float32. Training and testing:

    tools/run_protocol.py few_shot --dataset hmdb51 --shots 2 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_viclip_b16.py',
    '../_base_/datasets/hmdb51.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/hmdb51'

model = dict(labels='hmdb51', descriptions=f'{data_root}/descriptions.json')
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/train_2shot_seed1.txt'))
