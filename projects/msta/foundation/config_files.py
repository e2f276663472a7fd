"""Configs that lie beside weights: Hugging Face's and OpenCLIP's, as fields of an architecture."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .architecture import FoundationError
from .convert.foreign import SUPPORTED
from .facts import Source
from .open_clip_config import open_clip_facts

_MODEL = ('config.json', 'open_clip_config.json')
_PREPROCESSOR = ('preprocessor_config.json', 'processor_config.json')
_TOKENIZER = 'tokenizer_config.json'
# Names under which the publishers keep weights beside these configs.
_BESIDE = re.compile(r'(open_clip_)?(pytorch_)?model([.-].*)?\.(safetensors|bin)')
BESIDE_HINT = (
    'or put its config beside the file (config.json and preprocessor_config.json beside '
    'model.safetensors or pytorch_model.bin; open_clip_config.json beside open_clip_*), as its '
    'publisher does'
)

Config = Mapping[str, Any]

# Defaults of transformers' CLIPVisionConfig, CLIPTextConfig: what a config leaves out has them.
_VISION_DEFAULTS = {
    'hidden_size': 768, 'intermediate_size': 3072, 'num_hidden_layers': 12,
    'num_attention_heads': 12, 'image_size': 224, 'patch_size': 32, 'hidden_act': 'quick_gelu',
    'layer_norm_eps': 1e-5,
}  # fmt: skip
_TEXT_DEFAULTS = {
    'hidden_size': 512, 'intermediate_size': 2048, 'num_hidden_layers': 12,
    'num_attention_heads': 8, 'max_position_embeddings': 77, 'vocab_size': 49408,
    'hidden_act': 'quick_gelu', 'layer_norm_eps': 1e-5, 'eos_token_id': 49407,
}  # fmt: skip
# What SiglipVisionConfig and SiglipTextConfig have otherwise.
_SIGLIP_VISION = {'patch_size': 16, 'hidden_act': 'gelu_pytorch_tanh', 'layer_norm_eps': 1e-6}
_SIGLIP_TEXT = {
    'vocab_size': 32000, 'hidden_size': 768, 'intermediate_size': 3072, 'num_attention_heads': 12,
    'max_position_embeddings': 64, 'hidden_act': 'gelu_pytorch_tanh', 'layer_norm_eps': 1e-6,
}  # fmt: skip
# SigLIP 2 has Gemma's tokenizer, behind lower-casing (big_vision's configs of SigLIP 2).
_TOKENIZERS = {
    'CLIPTokenizer': 'clip', 'SiglipTokenizer': 'siglip', 'Siglip2Tokenizer': 'siglip2',
    'GemmaTokenizer': 'siglip2',
}  # fmt: skip
_ACTIVATIONS = {'gelu_pytorch_tanh': 'gelu_tanh', 'gelu_new': 'gelu_tanh'}
# Pillow's numbers.
_RESAMPLE = {0: 'nearest', 1: 'lanczos', 2: 'bilinear', 3: 'bicubic'}


def facts_beside(path: Path, hugging_face: bool) -> list[Source]:
    """What the configs in a folder, or beside a file, say of the weights.

    Args:
        path: the weights.
        hugging_face: whether they have Hugging Face's key names: which config is theirs.

    Raises:
        FoundationError: a config is damaged, or of a model that is not supported.
    """
    if path.is_file() and not _BESIDE.fullmatch(path.name):
        return []
    folder = path if path.is_dir() else path.parent
    for name in _MODEL if hugging_face else reversed(_MODEL):
        config = _read(folder / name)
        if config is None:
            continue
        try:
            if 'model_cfg' in config:
                return [Source(str(folder / name), open_clip_facts(config, folder / name))]
            sources = [Source(str(folder / name), hugging_face_facts(config, folder / name))]
            return sources + _views_and_tokenizer(folder)
        except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise FoundationError(f'{folder / name}: not a config of a CLIP ({error!r})') from error
    return []


def _read(path: Path) -> Config | None:
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise FoundationError(f'{path}: not valid JSON ({error})') from error
    if not isinstance(config, dict):
        raise FoundationError(f'{path}: not a config, but a {type(config).__name__}')
    return config


def hugging_face_facts(config: Config, path: Path) -> dict[str, Any]:
    """Return the fields of an architecture in the ``config.json`` of a ``CLIPModel``."""
    kind = config.get('model_type')
    if kind == 'siglip':
        return _siglip_facts(config, path)
    if kind != 'clip':
        raise FoundationError(
            f"{path} says model_type={kind!r}, which is not supported: only 'clip' and 'siglip' "
            'are computed as here (metaclip_2, for one, has other words and pools its texts '
            f'elsewhere; siglip2 takes images of any shape). {SUPPORTED}'
        )
    vision = _section(config, 'vision_config', _VISION_DEFAULTS)
    text = _section(config, 'text_config', _TEXT_DEFAULTS)
    # 2 stands for the largest id in configs from before 2023, as transformers reads them.
    end, largest = text['eos_token_id'], text['vocab_size'] - 1
    if end not in (2, largest):
        raise FoundationError(
            f'{path} says eos_token_id={end}: its texts are pooled at the first token {end}, '
            f'not at the largest id, {largest}, as in CLIP; this is not supported'
        )
    return {
        'embed_dim': config.get('projection_dim', 512),
        'pooling': 'cls',
        'text_pooling': 'argmax',
        'causal': True,
        **_tower_facts(vision, text),
    }


def _siglip_facts(config: Config, path: Path) -> dict[str, Any]:
    vision = _section(config, 'vision_config', {**_VISION_DEFAULTS, **_SIGLIP_VISION})
    text = _section(config, 'text_config', {**_TEXT_DEFAULTS, **_SIGLIP_TEXT})
    if not vision.get('vision_use_head', True):
        raise FoundationError(f'{path} says vision_use_head=False, which is not supported')
    if vision['image_size'] % vision['patch_size']:
        raise FoundationError(
            f'{path} says image_size={vision["image_size"]}, not a multiple of '
            f'patch_size={vision["patch_size"]}: the model leaves the rest of each image out, '
            'which is not supported. Take a release of another size'
        )
    return {
        'embed_dim': text.get('projection_size') or text['hidden_size'],
        'pooling': 'attention',
        'text_pooling': 'last',
        'causal': False,
        **_tower_facts(vision, text),
    }


# Field of an architecture -> the key of a tower's config that says it.
_VISION_KEYS = {
    'width': 'hidden_size', 'layers': 'num_hidden_layers', 'heads': 'num_attention_heads',
    'image_size': 'image_size', 'patch_size': 'patch_size', 'norm_eps': 'layer_norm_eps',
}  # fmt: skip
_TEXT_KEYS = {
    'text_width': 'hidden_size', 'text_layers': 'num_hidden_layers',
    'text_heads': 'num_attention_heads', 'context_length': 'max_position_embeddings',
    'vocab_size': 'vocab_size', 'text_norm_eps': 'layer_norm_eps',
}  # fmt: skip


def _tower_facts(vision: Config, text: Config) -> dict[str, Any]:
    facts = {field: vision[key] for field, key in _VISION_KEYS.items()}
    facts |= {field: text[key] for field, key in _TEXT_KEYS.items()}
    for of, tower in (('', vision), ('text_', text)):
        facts[f'{of}mlp_ratio'] = tower['intermediate_size'] / tower['hidden_size']
        facts[f'{of}activation'] = _ACTIVATIONS.get(tower['hidden_act'], tower['hidden_act'])
    return {**facts, 'frame_attention': 'own'}


def _section(config: Config, name: str, defaults: Config) -> dict[str, Any]:
    # Old configs hold it twice; the second is then the whole truth, as transformers reads them.
    given = config.get(f'{name}_dict') or config.get(name) or {}
    return {**defaults, **given}


def _views_and_tokenizer(folder: Path) -> list[Source]:
    sources = []
    for name in _PREPROCESSOR:
        config = _read(folder / name)
        config = config and config.get('image_processor', config)
        if config and 'image_mean' in config:
            sources.append(Source(str(folder / name), _view_facts(config, folder / name)))
            break
    tokenizer = (_read(folder / _TOKENIZER) or {}).get('tokenizer_class')
    if tokenizer is not None:
        value = _TOKENIZERS.get(str(tokenizer).removesuffix('Fast'), str(tokenizer))
        sources.append(Source(str(folder / _TOKENIZER), {'tokenizer': value}))
    return sources


def _view_facts(config: Config, path: Path) -> dict[str, Any]:
    """How Hugging Face's image processor makes pixels ready; what it leaves out is not said."""
    for step in ('do_resize', 'do_rescale', 'do_normalize'):
        if not config.get(step, True):
            raise FoundationError(f'{path} says {step}=False, which is not supported')
    facts: dict[str, Any] = {'mean': tuple(config['image_mean'])}
    if 'image_std' in config:
        facts['std'] = tuple(config['image_std'])
    if 'resample' in config:
        resample = config['resample']
        facts['interpolation'] = _RESAMPLE.get(resample, f'number {resample}')
    size = config.get('size')
    if isinstance(size, int) or (isinstance(size, dict) and 'shortest_edge' in size):
        facts['resize'] = 'shortest'
    elif isinstance(size, dict) and {'height', 'width'} <= set(size):
        facts['resize'] = 'squash'
        facts['image_size'] = size['height']
    crop = config.get('crop_size')
    if crop is not None and config.get('do_center_crop', True):
        facts['image_size'] = crop['height'] if isinstance(crop, dict) else crop
    return facts
