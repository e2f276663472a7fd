"""Training parts that MMEngine lacks; importing this package registers them."""

from .checkpoints import AtomicCheckpointHook, PlainCheckpointHook
from .feature_cache import FeatureCacheHook
from .feature_store import FeatureCacheError
from .finiteness import NonFiniteHook
from .interruption import InterruptionHook
from .label_check import LabelCheckHook
from .optim import CPUAmpOptimWrapper
from .progress import ProgressHook
from .schedulers import WarmupUnshiftedCosineLR
from .seeding import EpochSeedHook
from .wrappers import IndependentCopies

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
    'ProgressHook',
    'WarmupUnshiftedCosineLR',
]
