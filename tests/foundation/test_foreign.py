"""Models that are known and not supported are refused as what they are, from weights alone."""

import pytest
import torch

from projects.msta import compat
from projects.msta.foundation import FoundationError, load_foundation

compat.apply()
TEXT = {'context_length': 8, 'vocab_size': 100, 'width': 64, 'heads': 1, 'layers': 1}


def open_clip_model(vision, text=TEXT, multimodal=None):
    import open_clip

    if multimodal:
        return open_clip.CoCa(32, multimodal, text, vision)
    return open_clip.CustomTextCLIP(32, vision, text)


def plain(vision):
    import open_clip

    return open_clip.CLIP(32, vision, TEXT)


def x_clip():
    from transformers import XCLIPConfig, XCLIPModel

    sizes = {'hidden_size': 32, 'intermediate_size': 64, 'num_hidden_layers': 1,
             'num_attention_heads': 1, 'projection_dim': 32}  # fmt: skip
    vision = {**sizes, 'image_size': 16, 'patch_size': 8, 'mit_hidden_size': 32,
              'mit_intermediate_size': 64, 'mit_num_attention_heads': 1}  # fmt: skip
    text = {**sizes, 'vocab_size': 100, 'eos_token_id': 99}
    config = XCLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
    config.prompt_num_attention_heads, config.mit_hidden_size = 1, 32
    return XCLIPModel(config)


def siglip():
    from transformers import SiglipConfig, SiglipModel

    sizes = {'hidden_size': 32, 'intermediate_size': 64, 'num_hidden_layers': 1,
             'num_attention_heads': 1}  # fmt: skip
    vision = {**sizes, 'image_size': 16, 'patch_size': 8}
    return SiglipModel(SiglipConfig(text_config={**sizes, 'vocab_size': 100}, vision_config=vision))


VIT = {'image_size': 16, 'patch_size': 8, 'width': 64, 'layers': 1}
FOREIGN = {
    'RN50': (lambda: plain({'layers': [1, 1, 1, 1], 'width': 8, 'image_size': 32}), 'ResNet'),
    'X-CLIP': (x_clip, 'X-CLIP'),
    'EVA': (
        lambda: open_clip_model({'timm_model_name': 'eva02_tiny_patch14_224', 'image_size': 28}),
        'EVA-CLIP',
    ),
    'CoCa': (
        lambda: open_clip_model(
            {**VIT, 'attentional_pool': True, 'attn_pooler_heads': 1},
            {**TEXT, 'embed_cls': True},
            {**TEXT, 'dim_head': 64},
        ),
        'CoCa',
    ),
    'ConvNeXt': (
        lambda: open_clip_model({'timm_model_name': 'test_convnext', 'image_size': 32}),
        'ConvNeXt',
    ),
    'tower of timm': (
        lambda: open_clip_model({'timm_model_name': 'test_vit', 'image_size': 160}),
        'a model of timm',
    ),
    'attention pooling': (
        lambda: plain({**VIT, 'attentional_pool': True, 'attn_pooler_heads': 1}),
        'attention pooling',
    ),
    'layer scale': (lambda: plain({**VIT, 'ls_init_value': 0.1}), 'layer scale'),
    'SigLIP': (siglip, 'SigLIP'),
}


@pytest.mark.parametrize('name', FOREIGN)
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_refused_as_what_it_is(tmp_path, name, prefix):
    make, words = FOREIGN[name]
    state = {prefix + key: value for key, value in make().state_dict().items()}
    torch.save(state, tmp_path / 'weights.pt')
    with pytest.raises(FoundationError, match=rf'this is .*{words}.*not supported\. Supported are'):
        load_foundation(tmp_path / 'weights.pt')


@pytest.mark.parametrize(
    ('key', 'words'),
    [('visual.blocks.0.attn.q_proj.weight', 'EVA-CLIP'),
     ('visual.transformer.resblocks.0.message_fc.weight', 'X-CLIP'),
     ('visual.trunk.stages.0.blocks.0.conv_dw.weight', 'ConvNeXt')],
)  # fmt: skip
def test_original_names_of_the_same(tmp_path, key, words):
    """As EVA-CLIP's and X-CLIP's own repositories name their tensors."""
    torch.save({key: torch.zeros(1), 'logit_scale': torch.zeros(())}, tmp_path / 'weights.pt')
    with pytest.raises(FoundationError, match=words):
        load_foundation(tmp_path / 'weights.pt')
