# AdamW and the authors' schedule: 5 epochs of linear warm-up, and a cosine that ignores it and ends
# with train_cfg.max_epochs, as `end` is not set.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=1e-3),
)
param_scheduler = [
    dict(
        type='WarmupUnshiftedCosineLR',
        warmup=5,
        min_ratio=0.01,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=50, val_begin=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# Scales the rate with the number of videos per step, when asked for by --auto-scale-lr.
auto_scale_lr = dict(enable=False, base_batch_size=32)
