"""Testing by several processes."""

from __future__ import annotations

from typing import Any

from mmengine.registry import MODEL_WRAPPERS
from torch import nn


# The root registry: the Runner looks up wrappers nowhere else.
@MODEL_WRAPPERS.register_module()
class IndependentCopies(nn.Module):
    """Each process tests with its own copy; nothing is exchanged between them but the results.

    ``DistributedDataParallel`` refuses a model in which nothing is trained, as the frozen
    foundation is.

    Args:
        module: The model.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module: Any = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Same as the model's."""
        return self.module(*args, **kwargs)

    def test_step(self, data: Any) -> Any:
        """Same as the model's."""
        return self.module.test_step(data)
