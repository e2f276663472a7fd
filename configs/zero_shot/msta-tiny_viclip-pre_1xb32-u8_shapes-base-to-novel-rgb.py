"""Zero-shot on the Shapes world: MSTA on the tiny ViCLIP; all videos of the base classes.

Tested on the novel classes, in the domain trained on and in the plain one.
Nothing is published for it. On 2 CPU cores, after tools/data/make_shapes.py:

    tools/run_protocol.py zero_shot --dataset shapes --seeds 1 2 3
"""

_base_ = '../msta_tiny_shapes.py'
data_root = '{{ fileDirname }}/../../data/shapes'

train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/base_train.txt'))
