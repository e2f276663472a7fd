"""Training parts that MMEngine lacks; importing this package registers them."""

from .. import compat

compat.patch_mmengine()  # the hooks rely on how checkpoints are read

from . import (  # noqa: E402, F401
    checkpoints,
    feature_cache,
    finiteness,
    interruption,
    label_check,
    optim,
    progress,
    runner,
    schedulers,
    seeding,
    wrapped,
)
