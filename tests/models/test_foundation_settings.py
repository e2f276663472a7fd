"""What a config says of its foundation: facts the file leaves open, pixels, old checkpoints."""

import json

import pytest
import torch

from projects.msta.foundation import FoundationError
from tests.foundation.references import OpenCLIP, differences

from .conftest import ARCH

SIZES = {
    'embed_dim': 48, 'image_size': 32, 'patch_size': 8, 'width': 128, 'layers': 3,
    'text_width': 64, 'text_layers': 2, 'context_length': 12, 'vocab_size': 300,
}  # fmt: skip
PIXELS = {
    'mean': [0.5, 0.4, 0.3], 'std': [0.2, 0.3, 0.1], 'resize': 'squash', 'interpolation': 'bilinear'
}  # fmt: skip
REST = {'norm_eps': 1e-5, 'pooling': 'cls', 'text_pooling': 'argmax', 'causal': True,
        'frame_attention': 'own', 'tokenizer': 'clip', **PIXELS}  # fmt: skip


@pytest.fixture(scope='module')
def theirs():
    return OpenCLIP({'head_width': 32}, {'heads': 2}, quick_gelu=True)


@pytest.fixture(scope='module')
def bare(theirs, tmp_path_factory):
    return str(theirs.save(tmp_path_factory.mktemp('bare'), 'clip.pt', config=False))


def on_clip(build, checkpoint, arch=None, **settings):
    """A model on the bare OpenCLIP file."""
    arch = {**SIZES, 'heads': 4, 'text_heads': 2, **(arch or {})}
    foundation = {'type': 'CLIP', 'arch': arch, 'checkpoint': checkpoint, **settings}
    return build(backbone={'foundation': foundation, 'adapter': None})


def test_settings_decide_what_the_file_leaves_open(build, theirs, bare):
    model = on_clip(build, bare, activation='quick_gelu', **REST)
    model.init_weights()
    found = differences(model.backbone.foundation, theirs)
    assert max(found) < 2e-5, found
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx([127.5, 102, 76.5])
    facts = json.loads(bytes(model.backbone.get_extra_state().tolist()))['foundation']
    assert set(facts) == {'type', 'arch'} and facts['arch']['std'] == [0.2, 0.3, 0.1]


def test_an_architecture_that_is_spelt_out_says_them_as_well(build, theirs, bare):
    model = on_clip(build, bare, arch={'activation': 'quick_gelu', **REST})
    model.init_weights()
    assert max(differences(model.backbone.foundation, theirs)) < 2e-5


def test_what_an_architecture_leaves_to_its_defaults_is_not_said(build, bare):
    """Or the default activation would be a guess."""
    with pytest.raises(FoundationError, match='nothing says activation, text_activation, which'):
        on_clip(build, bare, **REST).init_weights()


def test_a_config_that_contradicts_the_file_is_refused(build, theirs, tmp_path):
    theirs.save(tmp_path)
    with pytest.raises(FoundationError, match=r"setting .*activation='gelu', but .*'quick_gelu'"):
        on_clip(build, str(tmp_path), activation='gelu', **REST).init_weights()


def test_a_setting_changes_a_preset(build):
    with torch.device('meta'):
        model = build(
            backbone={'foundation': {'type': 'CLIP', 'arch': 'b16', 'activation': 'gelu'}}
        )
    arch = model.backbone.foundation.arch
    assert (arch.activation, arch.text_activation, arch.heads) == ('gelu', 'gelu', 12)


def test_a_misspelt_setting_is_named(build):
    foundation = {'type': 'ViCLIP', 'arch': ARCH, 'activatoin': 'gelu'}
    with pytest.raises(FoundationError, match=r"'activatoin' is not a key.*activation"):
        build(backbone={'foundation': foundation})


def test_pixel_statistics_of_the_foundation_stand_in_a_preprocessor_without(build):
    model = build(data_preprocessor={'type': 'ActionDataPreprocessor', 'format_shape': 'NCTHW'})
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx(
        [123.675, 116.28, 103.53]
    )


@pytest.mark.parametrize('name', ['mean', 'std'])
def test_other_pixel_statistics_than_the_foundations_are_refused(build, name):
    own = {'type': 'ActionDataPreprocessor', 'format_shape': 'NCTHW', name: [127.5, 127.5, 127.5]}
    with pytest.raises(FoundationError, match=rf'{name}=\[127\.5.*but the foundation has'):
        build(data_preprocessor=own)


def test_a_checkpoint_from_before_these_fields_loads(build):
    """Its architecture has the first fields only; the defaults make the two equal."""
    model = build()
    state = model.state_dict()
    facts = json.loads(bytes(state['backbone._extra_state'].tolist()))
    assert facts['foundation'] == {'type': 'ViCLIP', 'arch': ARCH}  # as written before
    squashed = {'type': 'ViCLIP', 'arch': ARCH, 'resize': 'squash', 'interpolation': 'bilinear'}
    build(backbone={'foundation': squashed}).load_state_dict(state)
