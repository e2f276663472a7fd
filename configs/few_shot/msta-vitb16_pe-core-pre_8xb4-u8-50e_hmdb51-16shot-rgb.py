"""Few-shot on HMDB-51: MSTA on PE-Core-B/16; 16 shots per class, seed 1.

Nothing is published for this model.
8 GPUs x 4 videos, float32. Needs data/foundation/PE-Core-B16-224.pt, see docs/foundations.md.

    tools/dist_train.sh configs/few_shot/msta-vitb16_pe-core-pre_8xb4-u8-50e_hmdb51-16shot-rgb.py 8
"""

_base_ = [
    '../_base_/models/msta_pe_core_b16.py',
    '../_base_/datasets/hmdb51.py',
    '../_base_/schedules/adamw_50e.py',
    '../_base_/default_runtime.py',
]
data_root = '{{ fileDirname }}/../../data/hmdb51'

model = dict(labels='hmdb51', descriptions=f'{data_root}/descriptions.json')
train_dataloader = dict(dataset=dict(ann_file=f'{data_root}/train_16shot_seed1.txt'))
test_pipeline = {{_base_.square_views}}
val_dataloader = dict(dataset=dict(pipeline={{_base_.square_views}}))
test_dataloader = dict(dataset=dict(pipeline={{_base_.square_views}}))
