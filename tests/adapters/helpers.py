"""A tiny foundation, inputs for it, and the methods with settings that fit it."""

import torch

from projects.msta.adapters import build_adapter
from projects.msta.foundation import build_foundation, tokenize

ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 4, 'heads': 2, 'embed_dim': 24,
    'text_width': 16, 'text_layers': 3, 'text_heads': 2, 'context_length': 16, 'num_frames': 4,
}  # fmt: skip
METHODS = {
    'AdaptFormer': {'type': 'AdaptFormer', 'dim': 8},
    'AdaptFormer ln_2': {'type': 'AdaptFormer', 'dim': 8, 'input': 'ln_2', 'scale': None},
    'BitFit': {'type': 'BitFit'},
    'CoOp': {'type': 'CoOp', 'context': 4},
    'FullFineTuning': {'type': 'FullFineTuning'},
    'LinearProbe': {'type': 'LinearProbe'},
    'LoRA': {'type': 'LoRA', 'rank': 4},
    'LoRA everywhere': {
        'type': 'LoRA', 'rank': 4, 'targets': ('q', 'k', 'v', 'o', 'fc', 'proj'),
        'towers': ('video', 'text'), 'blocks': (2, 4), 'alpha': 8,
    },
    'MMA': {'type': 'MMA', 'blocks': (2, 4), 'dim': 8, 'scale': 0.1},
    'MSTAAdapter': {'type': 'MSTAAdapter', 'blocks': (2, 4), 'dim': 8, 'scale': 0.1},
    'STAdapter': {'type': 'STAdapter', 'dim': 8},
}  # fmt: skip
VIDEO_ONLY = {'LinearProbe', 'LoRA', 'STAdapter'}
TEXT_ONLY = {'CoOp'}


def make(config, kind='ViCLIP', arch=ARCH):
    torch.manual_seed(0)
    foundation = build_foundation({'type': kind, 'arch': arch}).requires_grad_(False)
    with torch.no_grad():  # biases are zero and norms one at the start: unlike a trained model's
        for name, parameter in foundation.named_parameters():
            if 'ln_' in name or name.endswith('bias'):
                parameter.add_(0.2 * torch.randn(parameter.shape))
    adapter = build_adapter(config, foundation)
    adapter.foundation_loaded(foundation)
    return foundation, adapter.eval()


def clip(frames=4):
    return torch.randn(2, 3, frames, 16, 16, generator=torch.Generator().manual_seed(3))


def words(*texts):
    return tokenize(list(texts) or ['moving left', 'a cat that jumps'], 16)


def video_of(foundation, adapter, clips=None):
    return adapter.encode_video(foundation, clip() if clips is None else clips)


def text_of(foundation, adapter, tokens=None):
    tokens = words() if tokens is None else tokens
    state = foundation.text.embed(tokens)
    first = adapter.first_text_block(foundation)
    if first == 0:
        state = state.__class__(tokens, tokens.argmax(-1), 0)
    return adapter.encode_text(foundation, foundation.text.advance(state, first))


def trained(adapter):
    return {name: p for name, p in adapter.named_parameters() if p.requires_grad}


@torch.no_grad()
def disturb(adapter, size=0.05):
    generator = torch.Generator().manual_seed(11)
    for parameter in trained(adapter).values():
        parameter.add_(size * torch.randn(parameter.shape, generator=generator))
