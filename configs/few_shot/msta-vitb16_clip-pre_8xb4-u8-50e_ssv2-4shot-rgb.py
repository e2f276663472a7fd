"""Few-shot on Something-Something v2: MSTA on CLIP-B/16; 4 shots a class, seed 1.

Nothing is published for this model. 8 descriptions of each kind a class.
8 GPUs x 4 videos, float32. Training and testing:

    tools/run_protocol.py few_shot --dataset ssv2 --shots 4 --model clip-b16 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_clip_b16.py',
    '../_base_/datasets/ssv2.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/ssv2'

model = dict(labels='ssv2', descriptions=f'{data_root}/descriptions_n8.json')
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/train_4shot_seed1.txt'))
