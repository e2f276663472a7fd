"""Few-shot on UCF-101: MSTA on CLIP-B/16; 2 shots a class, seed 1.

Nothing is published for this model. 8 descriptions of each kind a class.
8 GPUs x 4 videos, float32. Training and testing:

    tools/run_protocol.py few_shot --dataset ucf101 --shots 2 --model clip-b16 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_clip_b16.py',
    '../_base_/datasets/ucf101.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/ucf101'

model = dict(labels='ucf101', descriptions=f'{data_root}/descriptions_n8.json')
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/train_2shot_seed1.txt'))
