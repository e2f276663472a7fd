# MSTA on the tiny ViCLIP that ships with the project: all 4 blocks, bottleneck 64.
# 110,016 of 3,459,680 parameters are trained. In a tower as small as this one the adapters need
# a larger scale than the paper's 0.005.
_weights = '{{ fileDirname }}/../../../projects/msta/data/viclip_tiny_shapes.safetensors'
_data = '{{ fileDirname }}/../../../data/shapes'

model = dict(
    type='MSTARecognizer',
    backbone=dict(
        type='MSTABackbone',
        foundation=dict(
            type='ViCLIP',
            arch=dict(
                image_size=36,
                patch_size=12,
                num_frames=8,
                width=128,
                layers=4,
                heads=2,
                embed_dim=64,
                context_length=48,
                text_width=48,
                text_layers=4,
                text_heads=1,
                resize='squash',
                interpolation='bilinear',
            ),
            checkpoint=_weights,
        ),
        adapter=dict(type='MSTAAdapter', blocks=(1, 4), dim=64, scale=0.3),
    ),
    cls_head=dict(type='ConsistencyHead', alpha=1.0),
    labels=f'{_data}/labels_base.txt',
    template='a video of {}.',
    descriptions=f'{_data}/descriptions_base.json',
    num_descriptions=2,
)
