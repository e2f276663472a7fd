"""Under bfloat16 autocast the towers are reduced, what is trained and the logits are not."""

import pytest
import torch
from torch import nn

METHODS = {
    'MSTAAdapter': {'blocks': (2, 3), 'dim': 8, 'scale': 0.1},
    'AdaptFormer': {'dim': 8},
    'LoRA': {'rank': 4, 'towers': ('video', 'text')},
    'STAdapter': {'dim': 8},
    'LinearProbe': {},
}


def watch(model: nn.Module, seen: set) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv3d):
            module.register_forward_hook(
                lambda module, inputs, output: seen.update({inputs[0].dtype, output.dtype})
            )


@pytest.mark.parametrize('method', METHODS)
def test_what_is_trained_computes_in_float32(build, batch, method):
    model = build(backbone={'adapter': {'type': method, **METHODS[method]}})
    trained, frozen = set(), set()
    watch(model.backbone.adapter, trained)
    watch(model.backbone.foundation, frozen)
    data = model.data_preprocessor(batch)
    with torch.autocast('cpu', torch.bfloat16):
        video, classes, _ = model.extract_feat(data['inputs'])[0]
        losses = model(**data, mode='loss')
    assert trained == {torch.float32}
    assert torch.bfloat16 in frozen
    assert video.dtype == classes.dtype == losses['loss_cls'].dtype == torch.float32
    losses['loss_cls'].backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    assert gradients and all(g.dtype == torch.float32 for g in gradients)


def test_scores_are_near_those_of_float32(build, batch):
    model = build().eval()
    with torch.no_grad():
        full = torch.stack([s.pred_score for s in model.test_step(batch)])
        with torch.autocast('cpu', torch.bfloat16):
            reduced = torch.stack([s.pred_score for s in model.test_step(batch)])
    assert reduced.dtype == torch.float32
    # 8 bits of mantissa in three blocks, times 100 before the softmax.
    assert 0 < (full - reduced).abs().max() < 0.1
