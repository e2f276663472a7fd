"""Accumulated gradients equal those of the large batch, for both losses, in one process and two.

Cross-entropy is a mean over samples, L_CC a mean over classes that every part of a batch sees
whole; MMEngine divides each by ``accumulative_counts``. Sums are formed in another order, so equal
means to float32's rounding: 2e-6 of the largest gradient is some 20 units in its last place.
"""

import socket
from pathlib import Path

import torch
from torch import multiprocessing

from projects.msta import compat

compat.apply()  # in the spawned processes too

from mmaction.structures import ActionDataSample  # noqa: E402
from mmengine.model import MMDistributedDataParallel  # noqa: E402
from mmengine.optim import OptimWrapper  # noqa: E402

from projects.msta.engine.optim import CPUAmpOptimWrapper  # noqa: E402
from tests.models.conftest import LABELS, recognizer_config  # noqa: E402

TOLERANCE = 2e-6


def make_model(descriptions: list[str], alpha: float = 1.0):
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    torch.manual_seed(0)
    config = recognizer_config(
        descriptions=descriptions,
        cls_head={'type': 'ConsistencyHead', 'alpha': alpha},
    )
    model = MODELS.build(config)
    model.init_weights()
    with torch.no_grad():  # away from the start, where the text side is nearly on its targets
        for parameter in model.backbone.adapter.parameters():
            parameter.normal_(std=0.3)
    return model.train()


def batch_of(indices) -> dict:
    """Videos of one view with labels of their own."""
    draw = [torch.Generator().manual_seed(index) for index in indices]
    shape = (1, 3, 4, 16, 16)
    return {
        'inputs': [torch.randint(0, 256, shape, generator=g, dtype=torch.uint8) for g in draw],
        'data_samples': [ActionDataSample().set_gt_label(i % len(LABELS)) for i in indices],
    }


def gradients(model, parts, wrapper_type=OptimWrapper) -> dict[str, torch.Tensor]:
    """Gradients at the one update that all parts together give."""
    kept = {}
    inner = getattr(model, 'module', model)
    trained = {n: p for n, p in inner.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(trained.values(), lr=0.0)
    optimizer.register_step_pre_hook(
        lambda *_: kept.update(
            {n: p.grad.clone() for n, p in trained.items() if p.grad is not None}
        )
    )
    wrapper = wrapper_type(optimizer, accumulative_counts=len(parts))
    wrapper.initialize_count_status(model, 0, len(parts))
    for part in parts:
        assert not kept  # no update before the last part
        model.train_step(batch_of(part), wrapper)
    return kept


def assert_close(found, expected) -> None:
    assert found.keys() == expected.keys() and len(found) > 10
    largest = max(g.abs().max() for g in expected.values())
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() <= TOLERANCE * largest, name


def test_one_process(descriptions):
    parts = [(0, 1), (2, 3), (4, 5), (6, 7)]
    whole = gradients(make_model(descriptions), [range(8)])
    assert_close(gradients(make_model(descriptions), parts), whole)
    without = gradients(make_model(descriptions, alpha=0.0), [range(8)])
    text = [name for name in whole if '.text.' in name]
    largest = max(g.abs().max() for g in whole.values())
    # The consistency loss is a part of what was compared, far above the tolerance.
    assert max((whole[n] - without[n]).abs().max() for n in text) > 1000 * TOLERANCE * largest


def test_in_bfloat16_accumulation_adds_no_error_of_its_own(descriptions):
    exact = gradients(make_model(descriptions), [range(8)])
    parts = [(0, 1), (2, 3), (4, 5), (6, 7)]
    runs = [gradients(make_model(descriptions), p, CPUAmpOptimWrapper) for p in ([range(8)], parts)]
    largest = max(g.abs().max() for g in exact.values())
    whole, accumulated = (
        max((run[n] - exact[n]).abs().max() for n in exact) / largest for run in runs
    )
    assert 0 < whole < 0.05 and accumulated < 1.5 * whole


def _one_of_two(rank: int, port: int, descriptions: list[str], folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2
    )
    model = MMDistributedDataParallel(
        make_model(descriptions), broadcast_buffers=False, find_unused_parameters=True
    )
    parts = [(0, 1), (4, 5)] if rank == 0 else [(2, 3), (6, 7)]
    torch.save(gradients(model, parts), folder / f'{rank}.pth')
    torch.distributed.destroy_process_group()


def test_two_processes_that_exchange_gradients_at_the_update_alone(descriptions, tmp_path):
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        port = sock.getsockname()[1]
    multiprocessing.spawn(_one_of_two, (port, descriptions, tmp_path), nprocs=2)
    whole = gradients(make_model(descriptions), [range(8)])
    for rank in (0, 1):
        assert_close(torch.load(tmp_path / f'{rank}.pth', weights_only=True), whole)
