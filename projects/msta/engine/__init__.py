"""Training parts that MMEngine lacks; importing this package registers them."""

from .. import compat

compat.patch_mmengine()  # the hooks rely on how checkpoints are read

from .checkpoints import AtomicCheckpointHook, PlainCheckpointHook  # noqa: E402
from .feature_cache import FeatureCacheHook  # noqa: E402
from .feature_store import FeatureCacheError  # noqa: E402
from .finiteness import NonFiniteHook  # noqa: E402
from .interruption import InterruptionHook  # noqa: E402
from .label_check import LabelCheckHook  # noqa: E402
from .optim import CPUAmpOptimWrapper  # noqa: E402
from .progress import ProgressHook  # noqa: E402
from .runner import MSTARunner  # noqa: E402
from .schedulers import LaggedWarmupUnshiftedCosineLR, WarmupUnshiftedCosineLR  # noqa: E402
from .seeding import EpochSeedHook  # noqa: E402
from .wrapped import IndependentCopies  # noqa: E402

__all__ = [
    'AtomicCheckpointHook',
    'CPUAmpOptimWrapper',
    'EpochSeedHook',
    'FeatureCacheError',
    'FeatureCacheHook',
    'IndependentCopies',
    'InterruptionHook',
    'LabelCheckHook',
    'LaggedWarmupUnshiftedCosineLR',
    'MSTARunner',
    'NonFiniteHook',
    'PlainCheckpointHook',
    'ProgressHook',
    'WarmupUnshiftedCosineLR',
]
