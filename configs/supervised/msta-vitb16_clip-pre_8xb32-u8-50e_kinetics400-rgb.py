"""Fully supervised on Kinetics-400: MSTA on CLIP-B/16.

Nothing is published for this model.
8 GPUs x 32 videos, float32. Training and testing:

    tools/run_protocol.py supervised --dataset kinetics400 --model clip-b16 --gpus 8
"""

_base_ = '../msta_clip_vitb16_k400.py'
