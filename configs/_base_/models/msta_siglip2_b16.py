# MSTA on SigLIP 2 B/16, applied to each frame: blocks 8..12, bottleneck 128,
# 2,072,960 trainable parameters.
model = dict(
    type='MSTARecognizer',
    backbone=dict(
        type='MSTABackbone',
        foundation=dict(
            type='SigLIP',
            arch='v2_b16',
            checkpoint='{{ fileDirname }}/../../../data/foundation/siglip2-base-patch16-224',
        ),
        adapter=dict(type='MSTAAdapter', blocks=(8, 12), dim=128, scale=0.005),
    ),
    cls_head=dict(type='ConsistencyHead', alpha=1.0),
    labels='kinetics400',
    template='a video of {}.',
    descriptions=None,
)

# Frames as the foundation was trained with: both sides scaled to 224, nothing cropped.
square_views = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=8, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
