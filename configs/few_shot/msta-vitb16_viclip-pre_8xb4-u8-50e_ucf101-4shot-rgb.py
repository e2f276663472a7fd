"""Few-shot on UCF-101: MSTA on ViCLIP-B/16; 4 shots a class, seed 1.

Claims 90.2 top-1 (training logs, best epoch). 8 descriptions of each kind a class.
8 GPUs x 4 videos, float32. Training and testing:

    tools/run_protocol.py few_shot --dataset ucf101 --shots 4 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_viclip_b16.py',
    '../_base_/datasets/ucf101.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/ucf101'

model = dict(labels='ucf101', descriptions=f'{data_root}/descriptions_n8.json')
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/train_4shot_seed1.txt'))
