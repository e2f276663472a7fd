"""Few-shot on the Shapes world: MSTA on the tiny ViCLIP; 4 shots a class, seed 1.

Nothing is published for it. On 2 CPU cores, after tools/data/make_shapes.py:

    tools/run_protocol.py few_shot --dataset shapes --shots 4
"""

_base_ = '../msta_tiny_shapes.py'
data_root = '{{ fileDirname }}/../../data/shapes'

model = dict(
    labels=f'{data_root}/labels.txt',
    descriptions=f'{data_root}/descriptions.json',
)
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/target_train_4shot_seed1.txt'))
val_dataloader = dict(dataset=dict(ann_file=f'{data_root}/target_test.txt'))
test_dataloader = dict(dataset=dict(ann_file=f'{data_root}/target_test.txt'))
