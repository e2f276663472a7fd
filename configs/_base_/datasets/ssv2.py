# Something-Something v2; test with 2 clips x 3 crops.
# Views are flipped in training as in the logs, though some classes name left and right.
_base_ = './rgb_u8_224.py'

data_root = '{{ fileDirname }}/../../../data/ssv2'
videos = dict(video=f'{data_root}/videos')

test_pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=8, num_clips=2, test_mode=True),
    dict(type='DecordDecode'),
    # ThreeCrop covers the whole frame along the longer side: the shorter one must fit its crop.
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/train.txt', data_prefix=videos))
val_dataloader = dict(dataset=dict(ann_file=f'{data_root}/val.txt', data_prefix=videos))
test_dataloader = dict(
    dataset=dict(ann_file=f'{data_root}/val.txt', data_prefix=videos, pipeline=test_pipeline)
)
