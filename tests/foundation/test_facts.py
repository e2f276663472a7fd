"""What tensors do not say: each fact must be said by somebody, and by all alike."""

import json

import pytest
import torch
from safetensors import safe_open

from projects.msta.foundation import (
    OPEN_FACTS,
    FoundationError,
    build_foundation,
    load_foundation,
    save_foundation,
    weights,
)

from .references import CLIP_MEAN, CLIP_STD, OpenCLIP, differences

FEATURES = 2e-5
# All that a bare state dict of the tiny model with 32 channels a head leaves open.
FACTS = {
    'activation': 'quick_gelu', 'text_activation': 'quick_gelu', 'heads': 4, 'text_heads': 2,
    'norm_eps': 1e-3, 'text_norm_eps': 1e-3, 'pooling': 'cls', 'text_pooling': 'argmax',
    'causal': True, 'frame_attention': 'own', 'tokenizer': 'clip',
    'mean': CLIP_MEAN, 'std': CLIP_STD, 'resize': 'shortest', 'interpolation': 'bicubic',
}  # fmt: skip


@pytest.fixture(scope='module')
def theirs():
    return OpenCLIP(
        {'head_width': 32, 'norm_kwargs': {'eps': 1e-3}},
        {'heads': 2, 'norm_kwargs': {'eps': 1e-3}},
        quick_gelu=True,
    )


@pytest.fixture(scope='module')
def bare(theirs, tmp_path_factory):
    """A state dict with OpenAI's key names, and nothing else."""
    return theirs.save(tmp_path_factory.mktemp('bare'), 'clip.pt', config=False)


def without(fact):
    """The facts without one; ``activation`` and ``norm_eps`` speak for both towers."""
    gone = {fact.removeprefix('text_'), fact} if fact in _BOTH else {fact}
    return {name: value for name, value in FACTS.items() if name not in gone}


_BOTH = {'text_activation', 'text_norm_eps'}


def test_the_table_of_facts_is_whole():
    assert set(FACTS) == set(OPEN_FACTS)


def test_a_bare_state_dict_with_all_facts_said(theirs, bare):
    found = differences(load_foundation(bare, **FACTS), theirs)
    assert max(found) < FEATURES, found


@pytest.mark.parametrize('fact', OPEN_FACTS)
def test_a_fact_that_nobody_says_is_asked_for(bare, fact):
    with pytest.raises(FoundationError) as error:
        load_foundation(bare, **without(fact))
    message = str(error.value)
    assert f'nothing says {fact}' in message or f', {fact}' in message.splitlines()[0]
    assert f'  {fact}: {OPEN_FACTS[fact]}' in message  # the choices
    assert f'{fact}=...' in message  # the setting


@pytest.mark.parametrize('fact', ['activation', 'heads', 'text_heads', 'norm_eps'])
def test_a_wrong_fact_changes_the_features(theirs, bare, fact):
    """So that the parity above means something."""
    found = differences(load_foundation(bare, **(FACTS | {fact: WRONG[fact]})), theirs)
    assert max(found) > 100 * FEATURES, found


WRONG = {'activation': 'gelu', 'heads': 2, 'text_heads': 1, 'norm_eps': 1e-5}


def test_a_config_beside_a_file_of_another_name_is_not_its_config(tmp_path):
    theirs = OpenCLIP()
    theirs.save(tmp_path)
    other = theirs.save(tmp_path, 'of_somebody.pt', config=False)
    with pytest.raises(FoundationError, match=r'open_clip_config\.json beside open_clip_\*'):
        load_foundation(other)


OTHERWISE = {
    'activation': 'gelu', 'text_activation': 'gelu', 'heads': 8, 'text_heads': 4, 'norm_eps': 1e-6,
    'text_norm_eps': 1e-6, 'mean': (0.5, 0.5, 0.5), 'std': (0.5, 0.5, 0.5), 'resize': 'squash',
    'interpolation': 'bilinear',
}  # fmt: skip


@pytest.mark.parametrize('fact', OTHERWISE)
def test_a_setting_that_contradicts_the_config_beside_the_file(tmp_path, theirs, fact):
    theirs.save(tmp_path)
    assert load_foundation(tmp_path, **FACTS).arch == load_foundation(tmp_path).arch
    with pytest.raises(FoundationError, match=rf'says {fact}=.*open_clip_config\.json says'):
        load_foundation(tmp_path, **{fact: OTHERWISE[fact]})


def test_a_misspelt_fact_is_named(bare):
    with pytest.raises(FoundationError, match=r"'activatoin' is not a fact .*activation"):
        load_foundation(bare, activatoin='gelu')


# ------------------------------------------------------------------ published models


@pytest.fixture
def published(monkeypatch):
    """A tiny OpenCLIP model that the table knows, with two kinds of releases."""
    theirs = OpenCLIP({'head_width': 32}, {'vocab_size': 49408, 'heads': 2}, quick_gelu=True)
    openai = weights._VIEWS
    known = weights.KnownModel(
        'tiny', 4, 2, {(32, 'quick_gelu'): openai, (32, 'gelu'): weights._STATISTICS_DIFFER}
    )
    monkeypatch.setitem(weights.KNOWN_CLIPS, (8, 128, 3, 64, 2, 48), known)
    return theirs


def test_of_a_published_model_only_the_activation_is_open(published, tmp_path):
    path = published.save(tmp_path, 'clip.pt', config=False)
    with pytest.raises(FoundationError) as error:
        load_foundation(path)
    message = str(error.value)
    assert 'nothing says activation, text_activation, mean' in message
    assert 'OpenAI' in message and 'LAION' in message  # both are explained
    found = differences(load_foundation(path, activation='quick_gelu'), published)
    assert max(found) < FEATURES, found


def test_views_that_differ_between_releases_are_asked_for(published, tmp_path):
    path = published.save(tmp_path, 'clip.pt', config=False)
    with pytest.raises(FoundationError, match='nothing says mean, std, which'):
        load_foundation(path, activation='gelu')
    model = load_foundation(path, activation='gelu', mean=(0.5,) * 3, std=(0.5,) * 3)
    assert model.mean == model.std == (0.5, 0.5, 0.5)


def test_the_table_agrees_with_open_clip():
    """Heads of every plain tower that OpenCLIP publishes, and the views of its releases."""
    from open_clip.factory import _MODEL_CONFIGS
    from open_clip.pretrained import _PRETRAINED

    seen, problems = set(), []
    for name, config in _MODEL_CONFIGS.items():
        vision, text = config['vision_cfg'], config['text_cfg']
        plain = not {'timm_model_name', 'no_ln_pre', 'ls_init_value'} & set(vision)
        if not plain or not isinstance(vision['layers'], int) or 'multimodal_cfg' in config:
            continue
        if text.get('vocab_size') != 49408 or not _PRETRAINED.get(name):
            continue
        key = (
            vision['patch_size'], vision['width'], vision['layers'], text['width'],
            text['layers'], config['embed_dim'],
        )  # fmt: skip
        known = weights.KNOWN_CLIPS.get(key)
        if known is None:
            problems.append(f'{name} is missing')
            continue
        seen.add(key)
        heads = (vision['width'] // vision.get('head_width', 64), text['heads'])
        if heads != (known.heads, known.text_heads):
            problems.append(f'{name}: heads {heads}')
        for tag, release in _PRETRAINED[name].items():
            quick = release.get('quick_gelu') or config.get('quick_gelu')
            activation = 'quick_gelu' if quick else 'gelu'
            said = {'activation': activation, 'text_activation': activation}
            sizes = dict(zip(weights._SIZES, key, strict=True))
            sizes |= {'vocab_size': 49408, 'image_size': vision['image_size']}
            state = {'text.ln_final.weight': torch.ones(1)}
            _, facts = weights.known_facts('CLIP', sizes, said, state)
            views = {name: release[name] for name in ('mean', 'std', 'interpolation')}
            views['resize'] = release['resize_mode']
            problems += [
                f'{name} {tag}: {fact} is {value}, the table says {facts[fact]}'
                for fact, value in views.items()
                if fact in facts and facts[fact] != value
            ]
    assert not problems, '\n'.join(problems)
    assert seen == set(weights.KNOWN_CLIPS)


# ------------------------------------------------------------------ files of this project

ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 64, 'layers': 2, 'heads': 4, 'embed_dim': 24,
    'text_width': 64, 'text_layers': 2, 'text_heads': 2, 'context_length': 8, 'vocab_size': 100,
}  # fmt: skip


def test_what_is_saved_says_every_fact(tmp_path):
    own = {
        'activation': 'gelu', 'norm_eps': 1e-6, 'mean': (0.5, 0.4, 0.3), 'std': (0.2, 0.2, 0.1),
        'resize': 'squash', 'interpolation': 'bicubic', 'mlp_ratio': 2.0,
    }  # fmt: skip
    model = build_foundation({'type': 'ViCLIP', 'arch': {**ARCH, **own}})
    save_foundation(model, tmp_path / 'own.safetensors', torch.float32)
    loaded = load_foundation(tmp_path / 'own.safetensors')
    assert loaded.arch == model.arch and loaded.fingerprint() == model.fingerprint()
    with safe_open(tmp_path / 'own.safetensors', 'pt') as file:
        assert set(json.loads(file.metadata()['foundation'])) == set(OPEN_FACTS)


def test_published_viclip_needs_no_config_and_keeps_its_own_statistics(tmp_path):
    """Key names say that it is ViCLIP; its code says the rest, but for heads, which go by size."""
    model = build_foundation({'type': 'ViCLIP', 'arch': ARCH})
    save_foundation(model, tmp_path / 'x.safetensors', torch.float32)
    from safetensors.torch import load_file

    torch.save(load_file(tmp_path / 'x.safetensors'), tmp_path / 'x.pth')
    with pytest.raises(FoundationError, match='nothing says heads, text_heads, which'):
        load_foundation(tmp_path / 'x.pth')
    loaded = load_foundation(tmp_path / 'x.pth', heads=4, text_heads=2)
    assert loaded.fingerprint() == model.fingerprint()
    assert loaded.mean == (0.485, 0.456, 0.406)
    sizes = {
        'patch_size': 16,
        'width': 768,
        'layers': 12,
        'text_width': 512,
        'text_layers': 12,
        'embed_dim': 512,
        'context_length': 32,
        'vocab_size': 49408,
        'image_size': 224,
    }
    state = {'text.ln_final.weight': torch.ones(1)}
    facts = weights.known_facts('ViCLIP', sizes, {}, state)[1]
    assert (facts['heads'], facts['mean']) == (12, (0.485, 0.456, 0.406))  # not CLIP's statistics
    assert weights.known_facts('ViCLIP', {**sizes, 'width': 640}, {}, state)[1] == {}


def test_the_identity_of_old_models_is_as_it_was():
    """Fingerprints in checkpoints from before these fields must fit: the words that are hashed."""
    arch = build_foundation({'type': 'CLIP', 'arch': {**ARCH, 'activation': 'gelu'}}).arch
    assert arch.identity() == (
        "Architecture(kind='CLIP', embed_dim=24, image_size=16, patch_size=8, width=64, layers=2, "
        'heads=4, text_width=64, text_layers=2, text_heads=2, context_length=8, vocab_size=100, '
        "num_frames=8, activation='gelu')"
    )
    shipped = load_foundation(weights.TINY_SHAPES)
    assert shipped.fingerprint(signed_zeros=True) == '298d01fec27b8b90114bdded53578150'
    assert shipped.arch.resize == 'squash'


@pytest.mark.parametrize('fact', [f for f in OTHERWISE if f not in ('resize', 'interpolation')])
def test_facts_that_change_scores_change_the_identity(fact):
    plain = build_foundation({'type': 'CLIP', 'arch': ARCH}).arch
    other = build_foundation({'type': 'CLIP', 'arch': ARCH, fact: OTHERWISE[fact]}).arch
    assert plain.identity() != other.identity()
    assert any(line.startswith(f'{fact}: ') for line in plain.differences(other))
