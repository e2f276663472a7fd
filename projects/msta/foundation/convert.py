"""Foreign checkpoints -> our names: pure ``dict -> dict`` functions with key tables.

Nothing here touches a file or a model. Keys that no table explains are left to the caller, who
refuses them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .architecture import Architecture, FoundationError, heads_for

StateDict = dict[str, Tensor]

# One transformer block, OpenAI's names -> ours; ViCLIP and OpenCLIP use the same ones.
_BLOCK = {
    'attn.in_proj_weight': 'attn.qkv.weight',
    'attn.in_proj_bias': 'attn.qkv.bias',
    'attn.out_proj.': 'attn.out.',
    'mlp.c_fc.': 'mlp.fc.',
    'mlp.c_proj.': 'mlp.proj.',
    'ln_1.': 'ln_1.',
    'ln_2.': 'ln_2.',
}
_OPENAI = {
    'visual.transformer.resblocks.': 'visual.transformer.blocks.',
    'visual.': 'visual.',
    'transformer.resblocks.': 'text.transformer.blocks.',
    'token_embedding.': 'text.token_embedding.',
    'positional_embedding': 'text.positional_embedding',
    'ln_final.': 'text.ln_final.',
    'text_projection': 'text.proj',
}
_VICLIP = {
    'vision_encoder.transformer.resblocks.': 'visual.transformer.blocks.',
    'vision_encoder.temporal_positional_embedding': 'visual.temporal_embedding',
    'vision_encoder.': 'visual.',
    'text_encoder.transformer.resblocks.': 'text.transformer.blocks.',
    'text_encoder.text_projection': 'text.proj',
    'text_encoder.': 'text.',
}
_HF = {
    'vision_model.embeddings.class_embedding': 'visual.class_embedding',
    'vision_model.embeddings.patch_embedding.': 'visual.conv1.',
    'vision_model.embeddings.position_embedding.weight': 'visual.positional_embedding',
    'vision_model.pre_layrnorm.': 'visual.ln_pre.',
    'vision_model.encoder.layers.': 'visual.transformer.blocks.',
    'vision_model.post_layernorm.': 'visual.ln_post.',
    'visual_projection.weight': 'visual.proj',
    'text_model.embeddings.token_embedding.': 'text.token_embedding.',
    'text_model.embeddings.position_embedding.weight': 'text.positional_embedding',
    'text_model.encoder.layers.': 'text.transformer.blocks.',
    'text_model.final_layer_norm.': 'text.ln_final.',
    'text_projection.weight': 'text.proj',
}
_HF_BLOCK = {
    'self_attn.out_proj.': 'attn.out.',
    'self_attn.': 'attn.',  # q_proj, k_proj, v_proj: joined below
    'layer_norm1.': 'ln_1.',
    'layer_norm2.': 'ln_2.',
    'mlp.fc1.': 'mlp.fc.',
    'mlp.fc2.': 'mlp.proj.',
}
# Facts about the original model that files carry beside the weights.
_IGNORED = re.compile(
    r'^(input_resolution|context_length|vocab_size|attn_mask|visual\.attn_mask)$|position_ids$'
)


def _rename(key: str, table: Mapping[str, str], block_table: Mapping[str, str]) -> str:
    for old, new in table.items():
        if key.startswith(old):
            key = new + key[len(old) :]
            break
    head, sep, rest = key.partition('.blocks.')
    if sep:
        number, _, rest = rest.partition('.')
        for old, new in block_table.items():
            if rest.startswith(old):
                rest = new + rest[len(old) :]
                break
        key = f'{head}.blocks.{number}.{rest}'
    return key


def _rename_all(
    state: Mapping[str, Tensor], table: Mapping[str, str], block_table: Mapping[str, str]
) -> StateDict:
    return {
        _rename(key, table, block_table): value.float()
        for key, value in state.items()
        if not _IGNORED.search(key)
    }


def from_openai(state: Mapping[str, Tensor]) -> StateDict:
    """OpenAI CLIP and OpenCLIP: ``logit_scale`` is the logarithm of the multiplier."""
    ours = _rename_all(state, _OPENAI, _BLOCK)
    ours['logit_scale'] = ours['logit_scale'].exp().reshape(())
    ours.pop('logit_bias', None)
    return ours


def from_viclip(state: Mapping[str, Tensor]) -> StateDict:
    """ViCLIP: ``temp`` divides the cosines; the patch convolution is 3-D, one frame deep."""
    ours = _rename_all(state, _VICLIP, _BLOCK)
    ours['logit_scale'] = 1 / ours.pop('temp').reshape(())
    conv = ours['visual.conv1.weight']
    if conv.ndim == 5:
        if conv.shape[2] != 1:
            raise FoundationError(
                f'the patch embedding spans {conv.shape[2]} frames; only tubelets of 1 frame, as '
                'in the published ViCLIP, are supported'
            )
        ours['visual.conv1.weight'] = conv.squeeze(2)
    ours['visual.temporal_embedding'] = ours['visual.temporal_embedding'].squeeze(0)
    return ours


def from_hf(state: Mapping[str, Tensor]) -> StateDict:
    """Hugging Face ``CLIPModel``: separate q, k, v; projections transposed."""
    ours = _rename_all(state, _HF, _HF_BLOCK)
    for key in [key for key in ours if '.attn.q_proj.' in key]:
        parts = [ours.pop(key.replace('q_proj', f'{name}_proj')) for name in 'qkv']
        ours[key.replace('q_proj', 'qkv')] = torch.cat(parts)
    for key in ('visual.proj', 'text.proj'):
        ours[key] = ours[key].T.contiguous()
    ours['logit_scale'] = ours['logit_scale'].exp().reshape(())
    return ours


def to_viclip(state: Mapping[str, Tensor]) -> StateDict:
    """The inverse of :func:`from_viclip`."""
    table = {new: old for old, new in _VICLIP.items()}
    block_table = {new: old for old, new in _BLOCK.items()}
    table = dict(sorted(table.items(), key=lambda item: -len(item[0])))
    theirs = {}
    for key, value in state.items():
        renamed = _rename(key, table, block_table)
        theirs[renamed.replace('.transformer.blocks.', '.transformer.resblocks.')] = value
    theirs['temp'] = 1 / theirs.pop('logit_scale')
    conv = 'vision_encoder.conv1.weight'
    temporal = 'vision_encoder.temporal_positional_embedding'
    theirs[conv] = theirs[conv].unsqueeze(2)
    theirs[temporal] = theirs[temporal].unsqueeze(0)
    return theirs


class Format:
    """A family of checkpoints: how its keys tell it apart, and how it is converted."""

    def __init__(
        self, name: str, kind: str, marks: tuple[str, ...], convert: Callable[..., StateDict]
    ) -> None:
        self.name = name
        self.kind = kind
        self.marks = marks
        self.convert = convert


FORMATS = (
    Format(
        'ViCLIP',
        'ViCLIP',
        ('vision_encoder.conv1.weight', 'text_encoder.token_embedding.weight', 'temp'),
        from_viclip,
    ),
    Format(
        'Hugging Face CLIP',
        'CLIP',
        ('vision_model.embeddings.patch_embedding.weight', 'visual_projection.weight'),
        from_hf,
    ),
    Format(
        'OpenAI CLIP or OpenCLIP',
        'CLIP',
        ('visual.conv1.weight', 'token_embedding.weight', 'text_projection', 'logit_scale'),
        from_openai,
    ),
)


def strip_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the ``module.`` that DataParallel puts before every key."""
    if state and all(key.startswith('module.') for key in state):
        return {key.removeprefix('module.'): value for key, value in state.items()}
    return dict(state)


def detect_format(state: Mapping[str, Tensor]) -> Format:
    """Which family a state dict belongs to, by its keys."""
    for known in FORMATS:
        if all(mark in state for mark in known.marks):
            return known
    found = ', '.join(sorted(state)[:5]) or 'nothing'
    expected = '; '.join(f'{f.name}: {", ".join(f.marks)}' for f in FORMATS)
    raise FoundationError(
        f'not a video-language foundation model that is known here. It holds {len(state)} tensors '
        f'({found}, ...); expected are the keys of one of: {expected}'
    )


def infer_architecture(
    kind: str,
    state: Mapping[str, Tensor],
    activation: str,
    heads: int | None = None,
    text_heads: int | None = None,
) -> Architecture:
    """Read the architecture off converted tensors; heads by CLIP's rule unless given."""

    def depth(tower: str) -> int:
        pattern = re.compile(rf'{tower}\.transformer\.blocks\.(\d+)\.')
        numbers = {int(m.group(1)) for m in map(pattern.match, state) if m}
        gaps = sorted(set(range(len(numbers))) - numbers)
        if gaps:
            raise FoundationError(
                f'the {tower} tower has blocks up to {max(numbers)}, but block {gaps[0]} is missing'
            )
        return len(numbers)

    try:
        conv = state['visual.conv1.weight']
        width, patch = conv.shape[0], conv.shape[-1]
        side = math.isqrt(len(state['visual.positional_embedding']) - 1)
        vocab, text_width = state['text.token_embedding.weight'].shape
        return Architecture(
            kind=kind,
            embed_dim=state['visual.proj'].shape[1],
            image_size=side * patch,
            patch_size=patch,
            width=width,
            layers=depth('visual'),
            heads=heads or heads_for(width),
            text_width=text_width,
            text_layers=depth('text'),
            text_heads=text_heads or heads_for(text_width),
            context_length=len(state['text.positional_embedding']),
            vocab_size=vocab,
            num_frames=len(state['visual.temporal_embedding']) if kind == 'ViCLIP' else 8,
            activation=activation,
        )
    except KeyError as error:
        raise FoundationError(
            f'the file lacks the tensor {error}, needed to read its architecture'
        ) from error
