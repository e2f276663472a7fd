"""A tiny recognizer, built through MMAction2's registry."""

import json

import pytest
import torch

import projects.msta.register  # noqa: F401

LABELS = ['brushing hair', 'swimming', 'jumping over a fence', 'eating']
ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 3, 'heads': 2, 'embed_dim': 24,
    'text_width': 16, 'text_layers': 3, 'text_heads': 2, 'context_length': 32, 'num_frames': 4,
}  # fmt: skip


def recognizer_config(**changes):
    config = {
        'type': 'MSTARecognizer',
        'backbone': {
            'type': 'MSTABackbone',
            'foundation': {'type': 'ViCLIP', 'arch': ARCH},
            'adapter': {'type': 'MSTAAdapter', 'blocks': (2, 3), 'dim': 8, 'scale': 0.1},
        },
        'cls_head': {'type': 'ConsistencyHead'},
        'labels': LABELS,
    }
    backbone = changes.pop('backbone', {})
    config['backbone'] = {**config['backbone'], **backbone}
    return {**config, **changes}


@pytest.fixture
def build():
    """Build a recognizer with changes to its config; seeded."""
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    register_all_modules(init_default_scope=True)

    def make(seed=0, **changes):
        torch.manual_seed(seed)
        return MODELS.build(recognizer_config(**changes))

    return make


@pytest.fixture
def batch():
    """Two videos of three views, as the data loader gives them: uint8 (V, C, T, H, W)."""
    from mmaction.structures import ActionDataSample

    generator = torch.Generator().manual_seed(7)
    shape = (3, 3, 4, 16, 16)
    inputs = [torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8) for _ in '12']
    return {
        'inputs': inputs,
        'data_samples': [ActionDataSample().set_gt_label(label) for label in (3, 1)],
    }


@pytest.fixture
def descriptions(tmp_path):
    """The published two-file form."""
    pair = []
    for letter in 'st':
        path = tmp_path / f'2_{letter}_description.json'
        entries = {str(i): [f'{letter} one {n}', f'{letter} two {n}'] for i, n in enumerate(LABELS)}
        path.write_text(json.dumps(entries))
        pair.append(str(path))
    return pair
