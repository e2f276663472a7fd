# The schedule of adamw_50e.py in 11 epochs: base-to-novel on Kinetics-400.
_base_ = './adamw_50e.py'

train_cfg = dict(max_epochs=11)
