"""Models and data sets inside MMEngine's wrappers."""

from collections.abc import Iterator
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import nn


def unwrap(model: Any) -> Any:
    """Return the model inside a wrapper, such as the one for several processes."""
    return model.module if is_model_wrapper(model) else model


def flatten_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets inside wrappers (``RepeatDataset``, ``ConcatDataset`` ...)."""
    if hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from flatten_datasets(part)
    elif hasattr(dataset, 'dataset'):
        yield from flatten_datasets(dataset.dataset)
    else:
        yield dataset


# The root registry: the Runner looks up wrappers nowhere else.
@MODEL_WRAPPERS.register_module()
class IndependentCopies(nn.Module):
    """A copy of the model for each testing process; only the results are exchanged.

    ``DistributedDataParallel`` refuses a model in which nothing is trained, as the frozen
    foundation is.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module: Any = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def test_step(self, data: Any) -> Any:
        return self.module.test_step(data)
