"""Mixed precision without a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import nn


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """A forward pass in bfloat16 on a CPU, where ``AmpOptimWrapper`` refuses to run.

    bfloat16 has float32's range, so no loss scaling is needed; parameters, gradients and the
    optimizer's state stay float32.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[Any]:
        """Enter mixed precision for a forward pass of ``model``."""
        with super().optim_context(model), torch.autocast('cpu', dtype=torch.bfloat16):
            yield
