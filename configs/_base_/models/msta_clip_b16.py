# MSTA on CLIP ViT-B/16, applied to each frame: blocks 8..12, bottleneck 128.
model = dict(
    type='MSTARecognizer',
    backbone=dict(
        type='MSTABackbone',
        foundation=dict(
            type='CLIP',
            arch='b16',
            checkpoint='{{ fileDirname }}/../../../data/foundation/ViT-B-16.pt',
        ),
        adapter=dict(type='MSTAAdapter', blocks=(8, 12), dim=128, scale=0.005),
    ),
    cls_head=dict(type='ConsistencyHead', alpha=1.0),
    labels='kinetics400',
    template='a video of {}.',
    descriptions=None,
    num_descriptions=2,
)
