"""Models that are known, and not supported: refused as what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..architecture import FoundationError

# Refused, except those that pool by attention, as Perception Encoder and SigLIP do there.
_TIMM = 'a CLIP whose image tower is a model of timm'
# A key that only this kind of model has -> its name. The first that fits is told.
_FOREIGN = (
    (
        r'(prompts_generator|mit|prompts_visual_\w+)\.|.*\.message_(fc|attn)\.',
        'X-CLIP, a CLIP with message tokens and prompts of its own',
    ),
    (r'text_decoder\.', 'CoCa, a CLIP with a text decoder'),
    (
        r'(module\.)?visual\.(layer1\.|attnpool\.)',
        "a CLIP with a ResNet as its image tower (OpenAI's RN50, RN101, RN50x4, ...)",
    ),
    (
        r'visual\.trunk\.(stem\.0\.weight|stages\.\d+\.blocks\.\d+\.conv_dw)',
        "a CLIP with a ConvNeXt as its image tower (OpenCLIP's convnext_*)",
    ),
    (
        r'visual\.(trunk\.)?blocks\.\d+\.(attn\.(q_bias|q_proj|inner_attn_ln|norm\.weight)'
        r'|mlp\.(w1|fc1_g)\b)|visual\.rope|visual\.trunk\.rope',
        'EVA-CLIP, a CLIP with an EVA image tower',
    ),
    (r'visual\.trunk\.', _TIMM),
    (r'text\.transformer\.(encoder|embeddings)\.', 'a CLIP with a text tower of Hugging Face'),
    (r'visual\.attn_pool\.(query|ln_[qk]\.)', 'a CLIP with attention pooling'),
    (r'.*\.ls_[12]\.gamma', 'a CLIP with layer scale'),
)
SUPPORTED = (
    'Supported are ViCLIP, Perception Encoder (PE-Core), and CLIPs of two plain transformers: '
    'OpenAI CLIP (ViT), OpenCLIP (ViT), Hugging Face CLIPModel; SigLIP and SigLIP 2 of fixed size'
)


def refuse_foreign(keys: Iterable[str]) -> None:
    """Reject a state dict whose keys belong to a model that is known but not supported.

    Raises:
        FoundationError: naming the model and the key that tells.
    """
    keys = sorted(keys)
    trained = next((key for key in keys if key.startswith('backbone.adapter.')), None)
    if trained is not None:
        raise FoundationError(
            f'these are adapters that were trained here (it has {trained}), not a foundation: name '
            'the file as checkpoint, and as foundation the weights that they were trained beside'
        )
    pools = 'visual.trunk.attn_pool.latent' in keys
    for pattern, name in _FOREIGN:
        if pools and name == _TIMM:
            continue
        found = next(filter(re.compile(pattern).match, keys), None)
        if found is not None:
            raise FoundationError(f'this is {name} (it has {found}), not supported. {SUPPORTED}')
