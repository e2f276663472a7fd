"""Memory of a training step: computed from shapes, and measured beside it.

    python -m benchmarks.memory [--measure]

A forward pass of the video tower on tensors without contents (torch's ``FakeTensorMode``) tells
what autograd keeps for the backward pass: a second clip's storages are the share of a clip, to
which the three widest tensors of one block are added, at work while nothing keeps them. The 400 class
names are really encoded. Weights, gradients and AdamW's moments are counted. ``--measure``: what
two steps of ViCLIP-B/16 add to the resident memory of a process of their own, beside the same sum.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from projects.msta import register  # noqa: F401 - lets mmaction be imported
from projects.msta.paths import CONFIGS
from projects.msta.protocols.costs import memory_apart
from projects.msta.training.config import read_config

MIB, GB = 2**20, 10**9
RESERVE = 1.5 * GB  # CUDA's context and libraries, and what its allocator cannot use
SETTINGS = [('b16', (8, 12), 128), ('b16', (1, 12), 256)]
SETTINGS += [('l14', (20, 24), 128), ('l14', (1, 24), 256)]
CONFIG = """_base_ = {base!r}
model = dict(backbone=dict(foundation=dict(checkpoint=None), adapter=dict(blocks=(8, 12), dim=128)),
             descriptions=None)
train_dataloader = dict(batch_size={batch})
"""


def kept(encode):
    """Bytes of the storages that autograd keeps of ``encode()``."""
    storages = {}

    def note(tensor):
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        encode()
    return sum(storage.nbytes() for storage in storages.values())


def computed(arch, blocks, dim, amp):
    """Bytes of a clip, of the texts, of the weights, and of gradients and moments."""
    from mmaction.registry import MODELS

    cfg = read_config('msta_vitb16_k400').model
    cfg.backbone.foundation.update(arch=arch, checkpoint=None)
    cfg.backbone.adapter.update(blocks=blocks, dim=dim)
    cfg.descriptions = None
    model = MODELS.build(cfg).train()
    size = model.backbone.foundation.arch
    shape = (3, size.num_frames, size.image_size, size.image_size)
    with torch.autocast('cpu', torch.bfloat16, enabled=amp):
        texts = kept(model.encode_classes)
        with FakeTensorMode(allow_non_fake_inputs=True):
            one, two = (
                kept(lambda n=n: model.backbone.encode_video(torch.empty(n, *shape)))
                for n in (1, 2)
            )
    tokens = 1 + size.num_frames * (size.image_size // size.patch_size) ** 2
    clip = two - one + 3 * tokens * round(size.mlp_ratio * size.width) * (2 if amp else 4)
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    return clip, texts, sum(p.nbytes for p in model.parameters()), 3 * trained


def main():
    from mmaction.utils import register_all_modules

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--measure', action='store_true')
    measure = parser.parse_args().measure
    register_all_modules(init_default_scope=True)
    if measure:
        clip, texts, _, moments = computed(*SETTINGS[0], False)
        for batch in (1, 3):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, 'config.py')
                path.write_text(
                    CONFIG.format(base=str(CONFIGS / 'msta_vitb16_k400.py'), batch=batch)
                )
                measured = memory_apart(str(path), False)
            sum_mib = (batch * clip + texts + moments) / MIB
            print(f'{batch} clips: computed {sum_mib:.0f} MiB, measured {measured:.0f} MiB')
        return
    print('| model, blocks, width | amp | a clip | texts | weights, moments | 8 | 24 | 80 GB |')
    for arch, blocks, dim in SETTINGS:
        for amp in (False, True):
            clip, texts, weights, moments = computed(arch, blocks, dim, amp)
            fixed = texts + weights + moments
            fit = [int(max(0, (gb * GB - RESERVE - fixed) / clip)) for gb in (8, 24, 80)]
            sizes = ' | '.join(f'{n / MIB:.0f} MiB' for n in (clip, texts, weights + moments))
            row = f'| {arch} {blocks[0]}-{blocks[1]}, {dim} | {"yes" if amp else "no"} | {sizes} |'
            print(row, *fit, '|', flush=True)


if __name__ == '__main__':
    main()
