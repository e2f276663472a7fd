"""Fully supervised Kinetics-400, MSTA on ViCLIP-B/16, the paper's setting.

Claims: 82.2 top-1, 96.2 top-5 (published; 8,712,192 trainable parameters).
Batch 256 = 8 GPUs x 32. Needs data/foundation/ViCLIP-B_InternVid-FLT-10M.pth, data/kinetics400 and
descriptions of its classes (tools/gen_descriptions.py).

    tools/dist_train.sh configs/msta_vitb16_k400.py 8
    tools/dist_test.sh configs/msta_vitb16_k400.py work_dirs/msta_vitb16_k400/epoch_50.pth 8
"""

_base_ = [
    '_base_/models/msta_viclip_b16.py',
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
