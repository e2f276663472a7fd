# What every run shares: imports, hooks, environment, seed.
default_scope = 'mmaction'
custom_imports = dict(imports=['projects.msta.register'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, save_best='auto', max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
)
custom_hooks = [
    dict(type='PlainCheckpointHook'),
    dict(type='EpochSeedHook'),
    dict(type='LabelCheckHook'),
    dict(type='NonFiniteHook'),
    dict(type='InterruptionHook'),
]

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# In the last video block only the CLS row is used, so its temporal convolution gets no gradient.
find_unused_parameters = True

randomness = dict(seed=2048, diff_rank_seed=False, deterministic=False)
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
log_level = 'INFO'
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
load_from = None
resume = False
