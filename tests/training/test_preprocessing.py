"""Views belong to the foundation: pipelines take them from it, and may not say otherwise."""

import copy

import pytest
from mmengine.config import Config

from projects.msta.foundation import resolve_architecture
from projects.msta.inference.recognizers import make_config
from projects.msta.paths import CONFIGS
from projects.msta.training.config import ConfigError, read_config
from projects.msta.training.preprocessing import use_foundation
from tests.models.conftest import ARCH


def make(testing=None, training=None, **foundation):
    """A config with a view for testing and one for training."""
    crop = {'type': 'CenterCrop', 'crop_size': 16}
    views = {
        'train': [dict(training or {'type': 'Resize', 'scale': (16, 16), 'keep_ratio': False})],
        'test': [dict(testing or {'type': 'Resize', 'scale': (-1, 20)}), crop],
    }
    model = {
        'type': 'MSTARecognizer',
        'backbone': {
            'type': 'MSTABackbone',
            'foundation': {'type': 'CLIP', 'arch': ARCH, 'checkpoint': None, **foundation},
        },
    }
    loaders = {
        f'{part}_dataloader': {'dataset': {'type': 'RepeatDataset', 'dataset': {'pipeline': view}}}
        for part, view in views.items()
    }
    return Config({'model': model, **loaders})


def steps(cfg, part):
    return cfg[f'{part}_dataloader'].dataset.dataset.pipeline


@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear'])
def test_pipelines_take_the_interpolation_of_the_foundation(interpolation):
    cfg = make(resize='shortest', interpolation=interpolation)
    use_foundation(cfg)
    for part in ('train', 'test'):
        assert steps(cfg, part)[0].interpolation == interpolation
    use_foundation(cfg)  # what it has written does not contradict it


def test_what_nobody_has_said_is_left_as_it_is():
    cfg = make()
    before = copy.deepcopy(cfg._cfg_dict)
    use_foundation(cfg)
    assert cfg._cfg_dict == before


SQUASHED = {'type': 'Resize', 'scale': (16, 16), 'keep_ratio': False}
CROPPED = {'type': 'Resize', 'scale': (-1, 20)}


@pytest.mark.parametrize(('rule', 'step'), [('shortest', SQUASHED), ('squash', CROPPED)])
def test_a_test_view_of_another_shape_is_refused(rule, step):
    words = rf"test_dataloader\.dataset\.dataset\.pipeline\.0: .* resize='{rule}'"
    with pytest.raises(ConfigError, match=words):
        use_foundation(make(step, resize=rule))
    fitting = SQUASHED if rule == 'squash' else CROPPED
    use_foundation(make(fitting, step, resize=rule))  # in training it is an augmentation


@pytest.mark.parametrize('part', ['testing', 'training'])
def test_another_interpolation_is_refused(part):
    step = {**CROPPED, 'interpolation': 'nearest'}
    with pytest.raises(ConfigError, match="interpolation='nearest', the foundation 'bicubic'"):
        use_foundation(make(**{part: step}, interpolation='bicubic'))


def test_other_pixel_statistics_are_refused():
    cfg = make()
    own = {'type': 'ActionDataPreprocessor', 'mean': [123.675, 116.28, 103.53]}
    cfg.model.data_preprocessor = own
    with pytest.raises(ConfigError, match=r'mean=\[123\.675.*the foundation has \[122\.771'):
        use_foundation(cfg)
    cfg.model.data_preprocessor.mean = [122.771, 116.746, 104.094]
    use_foundation(cfg)


def test_every_shipped_config_has_the_views_of_its_foundation():
    paths = sorted(CONFIGS.glob('msta*.py'))
    paths += sorted(CONFIGS.glob('[!_]*/*.py'))
    for path in paths:
        cfg = read_config(path)
        use_foundation(cfg)
        kind = cfg.model.backbone.foundation.type
        pipeline = cfg.test_dataloader.dataset.pipeline
        found = {s.interpolation for s in pipeline if s.type == 'Resize'}
        assert found == {{'CLIP': 'bicubic', 'ViCLIP': 'bilinear'}[kind]}, path
    assert len(paths) > 40


@pytest.mark.parametrize(('rule', 'kept'), [('shortest', True), ('squash', False)])
def test_views_made_for_a_foundation_are_its_own(rule, kept):
    arch = resolve_architecture('CLIP', ARCH, resize=rule, interpolation='bicubic')
    cfg = make_config(arch, None, None)
    use_foundation(cfg)
    resize = next(step for step in cfg.test_pipeline if step['type'] == 'Resize')
    assert resize.get('keep_ratio', True) is kept and resize['interpolation'] == 'bicubic'
    assert ('CenterCrop' in [step['type'] for step in cfg.test_pipeline]) is kept
