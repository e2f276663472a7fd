"""OpenCLIP's ``open_clip_config.json``: every setting read, known to be idle, or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .architecture import FoundationError
from .convert.foreign import SUPPORTED
from .presets import PRESETS

Config = Mapping[str, Any]

# Defaults of CLIPVisionCfg and CLIPTextCfg (open_clip/model.py): what a config leaves out has them.
_VISION_READ = {
    'layers': 12, 'width': 768, 'head_width': 64, 'mlp_ratio': 4.0, 'patch_size': 16,
    'image_size': 224, 'pool_type': 'tok', 'act_kwargs': None, 'norm_kwargs': None,
    'timm_model_name': None, 'timm_pool': 'avg',
}  # fmt: skip
_TEXT_READ = {
    'context_length': 77, 'vocab_size': 49408, 'width': 512, 'heads': 8, 'layers': 12,
    'mlp_ratio': 4.0, 'no_causal_mask': False, 'pool_type': 'argmax', 'act_kwargs': None,
    'norm_kwargs': None, 'hf_tokenizer_name': None, 'tokenizer_mode': None,
    'tokenizer_kwargs': None, 'proj_bias': False,
}  # fmt: skip
# Any other value would be computed otherwise than here.
_BLOCK_FIXED = {
    'ls_init_value': None, 'qk_norm': False, 'scaled_cosine_attn': False, 'scale_heads': False,
    'scale_attn_inner': False, 'scale_attn': False, 'scale_fc': False,
    'final_ln_after_pool': False,
}  # fmt: skip
_VISION_FIXED = {
    **_BLOCK_FIXED, 'attentional_pool': False, 'no_ln_pre': False, 'pos_embed_type': 'learnable',
}  # fmt: skip
_TEXT_FIXED = {
    **_BLOCK_FIXED, 'embed_cls': False, 'proj_type': 'linear',
    'hf_model_name': None,
}  # fmt: skip
# Idle in such a model: of training, of another kind of tower, or of what else is returned.
_IDLE = {
    'patch_dropout', 'output_tokens', 'attn_pooler_queries', 'attn_pooler_heads', 'block_type',
    'timm_model_pretrained', 'timm_proj', 'timm_proj_bias', 'timm_drop',
    'timm_drop_path', 'hf_model_pretrained', 'hf_proj_type', 'hf_pooler_type', 'pad_id', 'eos_id',
}  # fmt: skip
_TOP = {
    'embed_dim', 'vision_cfg', 'text_cfg', 'quick_gelu', 'custom_text', 'init_logit_scale',
    'init_logit_bias', 'nonscalar_logit_scale', 'cast_dtype', 'output_dict',
}  # fmt: skip
# timm's names of the same towers: timm/models/eva.py.
_PERCEPTION = {
    'vit_pe_core_tiny_patch16_384': 't16', 'vit_pe_core_small_patch16_384': 's16',
    'vit_pe_core_base_patch16_224': 'b16', 'vit_pe_core_large_patch14_336': 'l14',
    'vit_pe_core_gigantic_patch14_448': 'g14',
}  # fmt: skip
# timm/models/vision_transformer.py. All but the last two have the exact GELU there.
_SIGLIP = re.compile(r'vit_(base|large|so400m|giantopt)_patch(14|16|32)_siglip_(\d+)')
_SIGLIP_SIZES = {
    'base': (768, 12, 12), 'large': (1024, 24, 16), 'so400m': (1152, 27, 16),
    'giantopt': (1536, 40, 16),
}  # fmt: skip
_TANH = ('vit_so400m_patch16_siglip', 'vit_giantopt_patch16_siglip')


def open_clip_facts(config: Config, path: Path) -> dict[str, Any]:
    """Return the fields of an architecture in an OpenCLIP config: model and preprocessing.

    Raises:
        FoundationError: it says what is not computed here.
    """
    model = config['model_cfg']
    if 'multimodal_cfg' in model:
        raise FoundationError(f'{path}: this is CoCa, not supported. {SUPPORTED}')
    unknown = sorted(set(model) - _TOP)
    if unknown:
        raise FoundationError(f'{path}: model_cfg.{unknown[0]} is not known here. {SUPPORTED}')
    vision = _section(model, 'vision_cfg', _VISION_READ, _VISION_FIXED, path)
    trunk = _trunk(vision, path)
    text = _section(model, 'text_cfg', _TEXT_READ, _TEXT_FIXED, path)
    if not isinstance(vision['layers'], int):
        raise FoundationError(
            f'{path}: a ResNet is its image tower (layers={vision["layers"]}), not supported. '
            f'{SUPPORTED}'
        )
    quick = bool(model.get('quick_gelu'))
    return {
        'embed_dim': model['embed_dim'],
        **(trunk or _plain_tower(vision, quick, path)),
        'text_width': text['width'],
        'text_layers': text['layers'],
        'text_heads': text['heads'],
        'text_mlp_ratio': text['mlp_ratio'],
        'context_length': text['context_length'],
        'vocab_size': text['vocab_size'],
        'text_activation': _activation(quick, text['act_kwargs'], path),
        'text_norm_eps': _epsilon(text['norm_kwargs'], path),
        'text_pooling': text['pool_type'],
        'causal': not text['no_causal_mask'],
        'frame_attention': 'own',
        'tokenizer': _tokenizer(text),
        **_views(config.get('preprocess_cfg') or {}),
    }


def _plain_tower(vision: Config, quick: bool, path: Path) -> dict[str, Any]:
    return {
        'width': vision['width'],
        'layers': vision['layers'],
        'heads': vision['width'] // vision['head_width'],
        'mlp_ratio': vision['mlp_ratio'],
        'image_size': _side(vision['image_size']),
        'patch_size': _side(vision['patch_size']),
        'activation': _activation(quick, vision['act_kwargs'], path),
        'norm_eps': _epsilon(vision['norm_kwargs'], path),
        'pooling': 'cls' if vision['pool_type'] == 'tok' else vision['pool_type'],
    }


def _trunk(vision: Config, path: Path) -> dict[str, Any] | None:
    """The fields of an image tower of timm; None where it is OpenCLIP's own."""
    name = vision['timm_model_name']
    if name is None:
        return None
    found = tower_of_timm(name)
    if found is None or vision['timm_pool'] != 'map':
        raise FoundationError(
            f'{path}: vision_cfg.timm_model_name={name!r} with timm_pool={vision["timm_pool"]!r} '
            f'is not supported. {SUPPORTED}'
        )
    return {**found, 'image_size': _side(vision['image_size'])}


def tower_of_timm(name: str) -> dict[str, Any] | None:
    """Return the fields of an image tower of timm; None where it is not computed here."""
    if name in _PERCEPTION:
        arch = PRESETS['PerceptionEncoder', _PERCEPTION[name]]
        fields = ('width', 'layers', 'heads', 'mlp_ratio', 'image_size', 'patch_size',
                  'activation', 'norm_eps', 'pooling')  # fmt: skip
        return {field: getattr(arch, field) for field in fields}
    match = _SIGLIP.fullmatch(name)
    if match is None or int(match[3]) % int(match[2]):
        return None
    width, layers, heads = _SIGLIP_SIZES[match[1]]
    return {
        'width': width, 'layers': layers, 'heads': heads, 'image_size': int(match[3]),
        'patch_size': int(match[2]), 'norm_eps': 1e-6, 'pooling': 'attention',
        'activation': 'gelu_tanh' if name.startswith(_TANH) else 'gelu',
    }  # fmt: skip


def _section(model: Config, name: str, read: Config, fixed: Config, path: Path) -> dict[str, Any]:
    section, place = model.get(name) or {}, f'{path}: {name}'
    for key, value in section.items():
        if key in fixed and value != fixed[key]:
            raise FoundationError(f'{place}.{key}={value!r} is not supported. {SUPPORTED}')
        if key not in read and key not in fixed and key not in _IDLE:
            raise FoundationError(f'{place}.{key}={value!r} is not known here. {SUPPORTED}')
    return {**read, **{key: section[key] for key in read if key in section}}


def _side(size: Any) -> Any:
    """The side of a square given as a pair."""
    if isinstance(size, (list, tuple)) and len(set(size)) == 1:
        return size[0]
    return size


def _activation(quick: bool, options: Config | None, path: Path) -> str:
    if not options:
        return 'quick_gelu' if quick else 'gelu'
    if options == {'approximate': 'tanh'} and not quick:
        return 'gelu_tanh'
    raise FoundationError(f'{path}: act_kwargs={options!r} is not supported')


def _epsilon(options: Config | None, path: Path) -> float:
    unknown = sorted(set(options or {}) - {'eps'})
    if unknown:
        raise FoundationError(f'{path}: norm_kwargs.{unknown[0]} is not supported')
    return (options or {}).get('eps', 1e-5)


def _tokenizer(text: Config) -> str:
    named = text['hf_tokenizer_name'] or text['tokenizer_mode']
    if text['hf_tokenizer_name'] and text['tokenizer_kwargs'] == {'clean': 'canonicalize'}:
        return 'siglip'  # that clean-up, and the tokenizer beside the weights
    if named or text['tokenizer_kwargs']:
        return f'{named or "clip"} {text["tokenizer_kwargs"] or ""}'.strip()
    return 'clip'


def _views(config: Config) -> dict[str, Any]:
    """OpenCLIP's preprocessing; what it leaves out is not said."""
    facts = {key: tuple(config[key]) for key in ('mean', 'std') if key in config}
    names = {'interpolation': 'interpolation', 'resize_mode': 'resize'}
    facts |= {ours: config[theirs] for theirs, ours in names.items() if theirs in config}
    if 'size' in config:
        size = _side(config['size'])
        facts['image_size'] = size[-1] if isinstance(size, (list, tuple)) else size
    return facts
