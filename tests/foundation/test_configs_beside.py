"""Configs beside weights against the libraries that wrote them: what they say is computed."""

import json

import pytest

from projects.msta.foundation import FoundationError, load_foundation

from .references import PREPROCESS, HuggingFace, OpenCLIP, differences

# float32 sums in another order: a few units in the last place of values of order 1 to 10.
FEATURES = 2e-5

OPEN_CLIPS = {
    'as LAION trains': {},
    'QuickGELU': {'quick_gelu': True},
    'heads of 32 channels': {'vision': {'head_width': 32}},
    'wide and narrow MLPs': {'vision': {'mlp_ratio': 4.9231}, 'text': {'mlp_ratio': 2.5}},
    'a text tower of its own': {'custom_text': True, 'text': {'heads': 4}},
    'GELU by tanh, other epsilons': {
        'vision': {'act_kwargs': {'approximate': 'tanh'}, 'norm_kwargs': {'eps': 1e-2}},
        'text': {'act_kwargs': {'approximate': 'tanh'}, 'norm_kwargs': {'eps': 1e-3}},
    },
    'ViT-H/14, made small': {
        'vision': {'head_width': 16, 'mlp_ratio': 4.3637}, 'text': {'heads': 4},
        'custom_text': True, 'quick_gelu': True,
    },
}  # fmt: skip


def check(loaded, theirs):
    scale = float(theirs.model.logit_scale.detach().exp())
    assert float(loaded.logit_scale) == pytest.approx(scale, rel=1e-6)
    found = differences(loaded, theirs)
    assert max(found) < FEATURES, found


@pytest.mark.parametrize('kind', OPEN_CLIPS)
def test_an_open_clip_folder(tmp_path, kind):
    theirs = OpenCLIP(**OPEN_CLIPS[kind])
    theirs.save(tmp_path)
    check(load_foundation(tmp_path), theirs)


@pytest.mark.parametrize('form', ['open_clip_pytorch_model.bin', 'open_clip_model.safetensors'])
def test_an_open_clip_file_with_its_config_beside_it(tmp_path, form):
    theirs = OpenCLIP({'head_width': 16}, quick_gelu=True)
    check(load_foundation(theirs.save(tmp_path, form)), theirs)


@pytest.mark.parametrize('form', ['model.safetensors', 'pytorch_model.bin'])
@pytest.mark.parametrize('folder', [True, False])
def test_hugging_face(tmp_path, form, folder):
    """LAION's models in this form have GELU; heads are not of 64 channels; the epsilons differ."""
    theirs = HuggingFace(
        {'hidden_act': 'gelu', 'num_attention_heads': 8, 'layer_norm_eps': 1e-2},
        {'hidden_act': 'quick_gelu', 'layer_norm_eps': 1e-3, 'intermediate_size': 160},
    )
    path = theirs.save(tmp_path, form)
    check(load_foundation(tmp_path if folder else path), theirs)


def test_hugging_face_with_defaults_left_out_and_sections_held_twice(tmp_path):
    """As in configs of 2022: ``text_config_dict`` counts, and what is missing is the default."""
    theirs = HuggingFace({'hidden_act': 'gelu'}, {'hidden_act': 'quick_gelu'})
    theirs.save(tmp_path)
    config = json.loads((tmp_path / 'config.json').read_text())
    del config['text_config']['hidden_act'], config['vision_config']['layer_norm_eps']
    config['text_config_dict'] = dict(config['text_config'])
    config['text_config']['hidden_act'] = 'gelu'
    config['vision_config_dict'] = None
    config['text_config_dict']['eos_token_id'] = 2  # which stands for the largest id
    (tmp_path / 'config.json').write_text(json.dumps(config))
    check(load_foundation(tmp_path), theirs)


def test_views_of_both_forms_are_read(tmp_path):
    own = {'mean': [0.5, 0.4, 0.3], 'std': [0.2, 0.3, 0.1]}
    preprocess = {**PREPROCESS, **own, 'resize_mode': 'squash', 'interpolation': 'bilinear'}
    (tmp_path / 'a').mkdir(), (tmp_path / 'b').mkdir()
    OpenCLIP().save(tmp_path / 'a', preprocess=preprocess)
    HuggingFace().save(tmp_path / 'b')
    config = json.loads((tmp_path / 'b' / 'preprocessor_config.json').read_text())
    config |= {'image_mean': own['mean'], 'image_std': own['std'], 'resample': 2}
    config |= {'size': {'height': 32, 'width': 32}, 'do_center_crop': False}
    processor = {'processor_class': 'CLIPProcessor', 'image_processor': config}
    (tmp_path / 'b' / 'preprocessor_config.json').unlink()
    (tmp_path / 'b' / 'processor_config.json').write_text(json.dumps(processor))
    for name in 'ab':
        model = load_foundation(tmp_path / name)
        assert model.mean == (0.5, 0.4, 0.3) and model.std == (0.2, 0.3, 0.1)
        assert (model.arch.resize, model.arch.interpolation) == ('squash', 'bilinear')


REFUSED = {
    'mean pooling': ({'pool_type': 'avg'}, {}, {}, "pooling 'avg' is not one of"),
    'no mask': ({}, {'no_causal_mask': True}, {}, 'causal False is not one of'),
    'pooled at the last': ({}, {'pool_type': 'last'}, {}, "text_pooling 'last'"),
    'words of BERT': ({}, {'hf_tokenizer_name': 'bert-base-uncased'}, {}, "tokenizer 'bert"),
    'no first norm': ({'no_ln_pre': True}, {}, {}, 'no_ln_pre=True is not supported'),
    'layer scale': ({'ls_init_value': 1e-4}, {}, {}, 'ls_init_value=0.0001 is not supported'),
    'a new setting': ({'new': 1}, {}, {}, r'vision_cfg\.new=1 is not known'),
    'tower of timm': ({'timm_model_name': 'vit'}, {}, {}, "timm_model_name='vit'"),
    'ResNet': ({'layers': [3, 4, 6, 3]}, {}, {}, 'a ResNet is its image tower'),
    'CoCa': ({}, {}, {'multimodal_cfg': {}}, 'this is CoCa'),
    'another model': ({'layers': 4}, {}, {}, r'tensors says layers=3, but .*config.json says 4'),
}


@pytest.mark.parametrize('case', REFUSED)
def test_an_open_clip_config_that_says_what_is_not_computed_here(tmp_path, case):
    vision, text, top, words = REFUSED[case]
    theirs = OpenCLIP()
    theirs.save(tmp_path)
    config = theirs.config | top
    config['vision_cfg'] |= vision
    config['text_cfg'] |= text
    content = {'model_cfg': config, 'preprocess_cfg': PREPROCESS}
    (tmp_path / 'open_clip_config.json').write_text(json.dumps(content))
    with pytest.raises(FoundationError, match=words):
        load_foundation(tmp_path)


@pytest.mark.parametrize(
    ('file', 'change', 'words'),
    [
        ('config.json', {'model_type': 'siglip'}, "model_type='siglip', which is not supported"),
        ('config.json', {'text_config': {'eos_token_id': 7}}, 'pooled at the first token 7'),
        ('config.json', {'vision_config': {'hidden_act': 'relu'}}, "activation 'relu' is not one"),
        (
            'config.json',
            {'vision_config': {'num_attention_heads': 'many'}},
            "heads='many' is not a number",
        ),
        ('preprocessor_config.json', {'do_normalize': False}, 'do_normalize=False'),
        ('preprocessor_config.json', {'resample': 4}, "interpolation 'number 4'"),
        ('preprocessor_config.json', {'crop_size': 64}, 'image_size=32, but .* says 64'),
        ('tokenizer_config.json', {'tokenizer_class': 'XLMRobertaTokenizer'}, "'XLMRoberta"),
    ],
)
def test_a_hugging_face_config_that_says_what_is_not_computed_here(tmp_path, file, change, words):
    HuggingFace().save(tmp_path)
    config = json.loads((tmp_path / file).read_text())
    for key, value in change.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    (tmp_path / file).write_text(json.dumps(config))
    with pytest.raises(FoundationError, match=words):
        load_foundation(tmp_path)


def test_metaclip_2_is_not_taken_for_clip(tmp_path):
    """Its keys are CLIP's; its texts end, and are pooled, at the first end-of-text id."""
    from transformers import MetaClip2Config, MetaClip2Model

    sizes = {'hidden_size': 64, 'intermediate_size': 128, 'num_hidden_layers': 1,
             'num_attention_heads': 1, 'projection_dim': 32}  # fmt: skip
    model = MetaClip2Model(
        MetaClip2Config(
            text_config={**sizes, 'vocab_size': 300, 'eos_token_id': 2},
            vision_config={**sizes, 'image_size': 16, 'patch_size': 8},
            projection_dim=32,
        )
    )
    model.save_pretrained(tmp_path)
    with pytest.raises(FoundationError, match="model_type='metaclip_2', which is not supported"):
        load_foundation(tmp_path)
    (tmp_path / 'config.json').unlink()
    with pytest.raises(FoundationError, match='nothing says activation'):
        load_foundation(tmp_path)


@pytest.mark.parametrize('text', ['{', '[]', '{"model_cfg": 3}', '{"model_cfg": {}}'])
def test_a_damaged_config_is_named(tmp_path, text):
    OpenCLIP().save(tmp_path)
    (tmp_path / 'open_clip_config.json').write_text(text)
    with pytest.raises(FoundationError, match=r'open_clip_config\.json: not '):
        load_foundation(tmp_path)
