"""Fully supervised on Kinetics-400: MSTA on ViCLIP-B/16.

Claims 82.2 top-1, 96.2 top-5 (paper).
8 GPUs x 32 videos, float32. Training and testing:

    tools/run_protocol.py supervised --dataset kinetics400 --gpus 8
"""

_base_ = '../msta_vitb16_k400.py'
