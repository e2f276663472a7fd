# MSTA on ViCLIP-B/16: blocks 8..12, bottleneck 128, 1,744,000 trainable parameters.
model = dict(
    type='MSTARecognizer',
    backbone=dict(
        type='MSTABackbone',
        foundation=dict(
            type='ViCLIP',
            arch='b16',
            checkpoint='{{ fileDirname }}/../../../data/foundation/ViCLIP-B_InternVid-FLT-10M.pth',
        ),
        adapter=dict(type='MSTAAdapter', blocks=(8, 12), dim=128, scale=0.005),
    ),
    cls_head=dict(type='ConsistencyHead', alpha=1.0),
    labels='kinetics400',
    template='a video of {}.',
    descriptions=None,
    num_descriptions=2,
)
