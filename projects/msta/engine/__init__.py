"""Training parts that MMEngine lacks; importing this package registers them."""

from projects.msta.engine.checkpoints import AtomicCheckpointHook, PlainCheckpointHook
from projects.msta.engine.feature_cache import FeatureCacheHook
from projects.msta.engine.feature_store import FeatureCacheError
from projects.msta.engine.finiteness import NonFiniteHook
from projects.msta.engine.interruption import InterruptionHook
from projects.msta.engine.label_check import LabelCheckHook
from projects.msta.engine.optim import CPUAmpOptimWrapper
from projects.msta.engine.schedulers import WarmupUnshiftedCosineLR
from projects.msta.engine.seeding import EpochSeedHook
from projects.msta.engine.wrappers import IndependentCopies

__all__ = [
    'AtomicCheckpointHook',
    'CPUAmpOptimWrapper',
    'EpochSeedHook',
    'FeatureCacheError',
    'FeatureCacheHook',
    'IndependentCopies',
    'InterruptionHook',
    'LabelCheckHook',
    'NonFiniteHook',
    'PlainCheckpointHook',
    'WarmupUnshiftedCosineLR',
]
