"""Testing by several processes."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODEL_WRAPPERS
from torch import nn


# The root registry: the Runner looks up wrappers nowhere else.
@MODEL_WRAPPERS.register_module()
class IndependentCopies(nn.Module):
    """A copy of the model for each testing process; only the results are exchanged.

    ``DistributedDataParallel`` refuses a model in which nothing is trained, as the frozen
    foundation is.

    Args:
        module: The model.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module: Any = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model."""
        return self.module(*args, **kwargs)

    def test_step(self, data: Any) -> Any:
        """Call the model's ``test_step``."""
        return self.module.test_step(data)
