"""The shortcuts equal the plain path: same scores, same loss, same gradients."""

import json

import pytest
import torch
from mmaction.structures import ActionDataSample

from benchmarks import benchmark
from benchmarks.plain import PlainModel
from projects.msta.foundation import tokenize

LABELS = ['swimming', 'a very long walk along the beach in the evening', 'eating', 'hop']
ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 4, 'heads': 2, 'embed_dim': 24,
    'text_width': 16, 'text_layers': 4, 'text_heads': 2, 'context_length': 32, 'num_frames': 4,
}  # fmt: skip


@pytest.fixture
def pair():
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    import projects.msta.register  # noqa: F401

    register_all_modules(init_default_scope=True)
    torch.manual_seed(0)
    adapter = {'type': 'MSTAAdapter', 'blocks': (2, 4), 'dim': 8, 'rescale_gradient': False}
    model = MODELS.build(
        {
            'type': 'MSTARecognizer',
            'backbone': {
                'type': 'MSTABackbone',
                'foundation': {'type': 'ViCLIP', 'arch': ARCH},
                'adapter': {**adapter, 'scale': 0.3},
            },
            'cls_head': {'type': 'ConsistencyHead'},
            'labels': LABELS,
        }
    )
    return model, PlainModel(model)


def test_all_shortcuts_together_equal_the_plain_path(pair):
    model, plain = pair
    video = torch.randn(3, 3, 4, 16, 16)
    targets = dict(zip(('spatial', 'temporal'), torch.randn(2, 4, 24), strict=True))
    tokens = tokenize([f'a video of {label}.' for label in LABELS], 32)
    feats = (
        model.backbone.encode_video(video),
        model.encode_classes(),
        model.backbone.foundation.logit_scale,
    )
    # float32: the same sums in another order, through four blocks.
    assert torch.allclose(feats[0], plain.encode_video(video), atol=5e-6)
    assert torch.allclose(feats[1], plain.encode_text(tokens), atol=5e-6)
    samples = [ActionDataSample().set_gt_label(label) for label in (0, 3, 1)]
    losses = model.cls_head.loss(feats, samples, targets=targets)
    ours = losses['loss_cls'] + losses['loss_consistency']
    theirs = plain.loss(video, torch.tensor([0, 3, 1]), tokens, list(targets.values()))
    # Cosines are multiplied by 100 before the softmax, and so is their rounding.
    assert torch.allclose(ours, theirs, atol=1e-4)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for a, b in zip(
        torch.autograd.grad(ours, parameters, allow_unused=True),
        torch.autograd.grad(theirs, parameters, allow_unused=True),
        strict=True,
    ):
        if a is not None:
            assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)
        else:  # a row the plain path computes and nobody reads
            assert b is None or not b.abs().max() > 0


def test_the_benchmark_tool(tmp_path, run, monkeypatch):
    monkeypatch.setattr(benchmark, 'CLASS_COUNTS', (100,))
    out = tmp_path / 'report.json'
    given = ['--arch', 'tiny', '--batch', 1, '--classes', 5, '--repeats', 1, '--out', out]
    status, printed, _ = run('benchmark.py', *given, '--cases', 'text side of a step', 'classes')
    assert status == 0
    assert '| text side of a step | + packed (ours) |' in printed and '| 100 |' in printed
    sides = json.loads(out.read_text())['cases']['text side of a step']
    assert 0 < sides['+ packed (ours)']['gflops'] < 0.2 * sides['plain']['gflops']
