"""Configs of the other foundations: their views, their size, and the recipe of CLIP's sibling.

The README's table of foundations, anew: ``python -m tests.configs.test_foundations``.
"""

import re

import pytest
import torch

import projects.msta.register  # noqa: F401
from projects.msta.adapters import build_adapter
from projects.msta.foundation import build_foundation
from projects.msta.foundation.presets import PRESETS
from projects.msta.foundation.weights import FOUNDATION_DIR, KNOWN_WEIGHTS
from projects.msta.paths import CONFIGS, ROOT
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


def table():
    """The rows of the README's table: every published file, from the code's own facts."""
    rows = []
    for info in KNOWN_WEIGHTS.values():
        arch = PRESETS[info.kind, info.arch]
        with torch.device('meta'):
            model = build_foundation({'type': info.kind, 'arch': info.arch})
            top = {'type': 'MSTAAdapter', 'blocks': (arch.layers - 4, arch.layers), 'dim': 128}
            adapter = build_adapter(top, model.requires_grad_(False))
        size, trained = (sum(p.numel() for p in part.parameters()) for part in (model, adapter))
        cells = (
            f'`{info.kind}` `{info.arch}`',
            f'[{info.file}]({info.source.split()[0]})',
            info.licence,
            f'{size / 1e6:.0f} M',
            f'{trained:,}',
            str(arch.embed_dim),
            str(arch.context_length),
            f'{arch.image_size}, {arch.resize}',
            '-' if arch.tokenizer == 'clip' else 'configs, `tokenizer.json`',
        )
        rows.append(f'| {" | ".join(cells)} |')
    return rows


def test_the_table_in_the_readme_is_that_of_the_code():
    stated = re.findall(r'^\| `\w+` `\w+` .*$', (ROOT / 'README.md').read_text(), re.M)
    assert stated == table()
    assert {(info.kind, info.arch) for info in KNOWN_WEIGHTS.values()} == set(PRESETS)


if __name__ == '__main__':
    print('\n'.join(table()))
