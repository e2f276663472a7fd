"""Training parts that MMEngine lacks; importing this package registers them."""

from projects.msta.engine.checkpoints import AtomicCheckpointHook, PlainCheckpointHook
from projects.msta.engine.label_check import LabelCheckHook
from projects.msta.engine.optim import CPUAmpOptimWrapper
from projects.msta.engine.schedulers import WarmupUnshiftedCosineLR
from projects.msta.engine.seeding import EpochSeedHook
from projects.msta.engine.wrappers import IndependentCopies

__all__ = [
    'AtomicCheckpointHook',
    'CPUAmpOptimWrapper',
    'EpochSeedHook',
    'IndependentCopies',
    'LabelCheckHook',
    'PlainCheckpointHook',
    'WarmupUnshiftedCosineLR',
]
