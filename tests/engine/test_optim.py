"""bfloat16 on a CPU: the forward pass is reduced, everything kept is not."""

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from projects.msta.engine.optim import CPUAmpOptimWrapper


def train(wrapper_class: type[OptimWrapper]) -> tuple[torch.dtype, list[torch.Tensor], float]:
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 3)
    wrapper = wrapper_class(torch.optim.SGD(model.parameters(), lr=0.1))
    inputs = torch.randn(16, 8)
    target = torch.arange(16) % 3
    for _ in range(20):
        with wrapper.optim_context(model):
            scores = model(inputs)
            loss = torch.nn.functional.cross_entropy(scores.float(), target)
        wrapper.update_params(loss)
    return scores.dtype, list(model.parameters()), loss.item()


def test_forward_is_reduced_and_parameters_stay_float32():
    dtype, parameters, loss = train(CPUAmpOptimWrapper)
    plain_dtype, _, plain_loss = train(OptimWrapper)
    assert dtype == torch.bfloat16 and plain_dtype == torch.float32
    assert all(parameter.dtype == torch.float32 for parameter in parameters)
    # bfloat16 keeps 8 bits of mantissa: 2**-8 relative.
    assert abs(loss - plain_loss) < 4e-3 * plain_loss and loss != plain_loss


def test_it_is_registered_where_configs_look():
    from mmaction.registry import OPTIM_WRAPPERS as MMACTION

    assert MMACTION.get('CPUAmpOptimWrapper') is CPUAmpOptimWrapper
    assert OPTIM_WRAPPERS.get('mmaction.CPUAmpOptimWrapper') is CPUAmpOptimWrapper
