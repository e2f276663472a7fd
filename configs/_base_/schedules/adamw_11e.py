# The schedule of adamw_50e.py in 11 epochs: base-to-novel on Kinetics-400.
_base_ = './adamw_50e.py'

param_scheduler = [
    dict(
        type='WarmupUnshiftedCosineLR',
        warmup=5,
        min_ratio=0.01,
        begin=0,
        end=11,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=11)
