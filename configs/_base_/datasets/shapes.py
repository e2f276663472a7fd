# Shapes, base-to-novel: 16 shots of each of 24 base classes of the target domain, seed 1.
# 8 frames of 36x36, one per equal segment. No flip: it would turn left into right.
dataset_type = 'MSTAVideoDataset'
data_root = '{{ fileDirname }}/../../../data/shapes'

train_pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=8),
    dict(type='DecordDecode'),
    dict(type='MultiScaleCrop', input_size=64, scales=(1, 0.875), max_wh_scale_gap=0),
    dict(type='Resize', scale=(36, 36), keep_ratio=False),
    dict(type='ClipColorJitter', p=0.8),
    dict(type='ClipGrayscale', p=0.2),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=8, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(36, 36), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        ann_file=f'{data_root}/base_train_16shot_seed1.txt',
        data_prefix=dict(video=data_root),
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=48,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        ann_file=f'{data_root}/base_test.txt',
        data_prefix=dict(video=data_root),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_dataloader = test_dataloader
val_evaluator = dict(type='MSTAMetric')
test_evaluator = dict(type='MSTAMetric')
