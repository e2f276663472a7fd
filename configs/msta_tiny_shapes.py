"""Base-to-novel on the Shapes world: MSTA + L_CC on the tiny ViCLIP that ships with the project.

Needs no download: 16 shots per class of 24 base classes, about two minutes on 2 CPU cores.

    tools/data/make_shapes.py
    tools/train.py configs/msta_tiny_shapes.py
    tools/test.py configs/msta_tiny_shapes.py work_dirs/msta_tiny_shapes/epoch_14.pth

and on the novel classes with

    --cfg-options model.labels=data/shapes/labels_novel.txt \\
        test_dataloader.dataset.ann_file=data/shapes/novel_test.txt
"""

_base_ = [
    '_base_/models/msta_viclip_tiny.py',
    '_base_/datasets/shapes.py',
    '_base_/schedules/adamw_50e.py',
    '_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(
        type='WarmupUnshiftedCosineLR',
        warmup=2,
        min_ratio=0.01,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=14, val_begin=14, val_interval=14)
default_hooks = dict(
    logger=dict(interval=6),
    checkpoint=dict(interval=14, max_keep_ckpts=1, save_best=None),
)
