"""Configs of the other foundations: their views, their size, and the recipe of CLIP's sibling."""

import pytest
import torch

import projects.msta.register  # noqa: F401
from projects.msta.foundation.weights import FOUNDATION_DIR, KNOWN_WEIGHTS
from projects.msta.paths import CONFIGS
from projects.msta.training.config import read_config
from projects.msta.training.preprocessing import use_foundation

TRAINED = {'pe-core': 2_401_920, 'siglip2': 2_072_960}
SETTINGS = {'few_shot': '16shot', 'base2novel': 'base-16shot'}


def config(folder, tag):
    name = f'msta-vitb16_{tag}-pre_8xb4-u8-50e_hmdb51-{SETTINGS[folder]}-rgb.py'
    return read_config(CONFIGS / folder / name)


@pytest.mark.parametrize('folder', SETTINGS)
@pytest.mark.parametrize('tag', TRAINED)
def test_the_recipe_is_that_of_clip_on_frames_that_are_squashed(folder, tag):
    cfg, clip = config(folder, tag), config(folder, 'clip')
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr', 'train_pipeline'):
        assert cfg[key] == clip[key], key
    assert cfg.model.backbone.adapter == clip.model.backbone.adapter
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert cfg[loader].dataset.ann_file == clip[loader].dataset.ann_file
    use_foundation(cfg)
    for loader in ('val_dataloader', 'test_dataloader'):
        (resize,) = [s for s in cfg[loader].dataset.pipeline if s['type'] == 'Resize']
        assert resize['keep_ratio'] is False and resize['interpolation'] == 'bilinear'


@pytest.mark.parametrize('tag', TRAINED)
def test_size_statistics_and_weights(tag):
    from mmaction.registry import MODELS

    from projects.msta.inference.recognizers import use_scope

    use_scope()
    cfg = config('few_shot', tag)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert model.backbone.num_parameters()[0] == TRAINED[tag]
    assert model.backbone.foundation.mean == model.backbone.foundation.std == (0.5, 0.5, 0.5)
    foundation = cfg.model.backbone.foundation
    (info,) = [
        i for i in KNOWN_WEIGHTS.values() if (i.kind, i.arch) == (foundation.type, foundation.arch)
    ]
    assert model.backbone.checkpoint == str(FOUNDATION_DIR / info.file)
