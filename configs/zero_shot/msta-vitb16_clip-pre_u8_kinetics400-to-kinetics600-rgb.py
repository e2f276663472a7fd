"""Zero-shot from Kinetics-400 to Kinetics-600: MSTA on CLIP-B/16.

Nothing is published for this model.
One view; split 1 of 3, 160 classes not in Kinetics-400.
For testing only, with the adapters that a config in ../supervised trains. Both, and all splits:

    tools/run_protocol.py zero_shot --dataset kinetics600 --model clip-b16 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_clip_b16.py',
    '../_base_/datasets/kinetics600.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/kinetics600'

model = dict(
    backbone=dict(adapter=dict(blocks=(1, 12), dim=256)), labels=f'{data_root}/labels_split1.txt'
)
train_dataloader = val_dataloader = val_evaluator = None
test_dataloader = dict(
    dataset=dict(ann_file=f'{data_root}/test_split1.txt', pipeline={{_base_.val_pipeline}})
)
test_cfg = dict(type='TestLoop')
