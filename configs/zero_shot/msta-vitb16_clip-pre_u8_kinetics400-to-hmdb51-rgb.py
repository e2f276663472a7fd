"""Zero-shot from Kinetics-400 to HMDB-51: MSTA on CLIP-B/16.

Nothing is published for this model.
One view; official split 1 of 3.
For testing only, with the adapters that ../msta_clip_vitb16_k400.py trains. Both, and all splits:

    tools/run_protocol.py zero_shot --dataset hmdb51 --model clip-b16 --gpus 8
"""

_base_ = [
    '../_base_/models/msta_clip_b16.py',
    '../_base_/datasets/hmdb51.py',
    '../_base_/default_runtime.py',
]

model = dict(backbone=dict(adapter=dict(blocks=(1, 12), dim=256)), labels='hmdb51')
train_dataloader = val_dataloader = val_evaluator = None
test_dataloader = dict(dataset=dict(pipeline={{_base_.val_pipeline}}))
test_cfg = dict(type='TestLoop')
