"""Fully supervised Kinetics-400, MSTA on CLIP ViT-B/16 applied frame by frame.

The sibling of msta_vitb16_k400.py for those who have CLIP, not ViCLIP; nothing is published for it.
Needs data/foundation/ViT-B-16.pt, data/kinetics400 and descriptions of its classes.

    tools/dist_train.sh configs/msta_clip_vitb16_k400.py 8
"""

_base_ = [
    '_base_/models/msta_clip_b16.py',
    '_base_/datasets/kinetics400.py',
    '_base_/schedules/adamw_50e.py',
    '_base_/default_runtime.py',
]

model = dict(
    backbone=dict(adapter=dict(blocks=(1, 12), dim=256)),
    descriptions='{{ fileDirname }}/../data/kinetics400/descriptions.json',
)
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=8e-3))
auto_scale_lr = dict(base_batch_size=256)
