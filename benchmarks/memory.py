"""Memory of a training step: computed from shapes, and measured beside it.

    python -m benchmarks.memory [--measure]

What autograd keeps of a clip for the backward pass is counted on tensors without contents (torch's
``FakeTensorMode``): the bytes that a second clip adds, and three times the widest tensor of a
block, at work while nothing keeps it. The texts of 400 classes are encoded for real. Weights,
gradients and AdamW's two moments are counted by their sizes. ``--measure``: what two steps of
ViCLIP-B/16 add to the resident memory of a process of their own, beside the same sum.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from projects.msta import register  # noqa: F401 - lets mmaction be imported
from projects.msta.paths import CONFIGS
from projects.msta.protocols.costs import memory_apart
from projects.msta.training.config import read_config

MIB, GB = 2**20, 10**9
# Not for tensors: CUDA's context and libraries, and what its allocator cannot use; of a CPU's
# memory Python, the loaders' workers and the system.
RESERVE = {'GPU': 1.5 * GB, 'CPU': 6 * GB}


class Recipe(NamedTuple):
    """A model, its adapted blocks and their width, and the videos of a step."""

    arch: str
    blocks: tuple[int, int]
    dim: int
    batch: int

    def __str__(self) -> str:
        first, last = self.blocks
        return f'{self.arch}, blocks {first}-{last}, width {self.dim}'


RECIPES = (
    Recipe('b16', (8, 12), 128, 32),
    Recipe('b16', (1, 12), 256, 256),
    Recipe('l14', (20, 24), 128, 32),
    Recipe('l14', (1, 24), 256, 256),
)
# What it is called -> processes, and GB of each.
MACHINES = {
    'CPU, 16 GB': (1, 16), '1 GPU of 8 GB': (1, 8), '1 GPU of 24 GB': (1, 24),
    '1 GPU of 80 GB': (1, 80), '8 GPUs of 24 GB': (8, 24),
}  # fmt: skip


class Memory(NamedTuple):
    """Bytes of a training step: of each clip, and once."""

    clip: int
    texts: int
    weights: int
    gradients: int  # and moments

    def of(self, clips: int) -> int:
        """What a step of so many clips adds to the weights."""
        return clips * self.clip + self.texts + self.gradients

    def clips_in(self, room: float) -> int:
        """How many clips fit."""
        return max(0, int((room - self.weights - self.of(0)) // self.clip))


def kept(encode: Callable[[], Any]) -> int:
    """Bytes of the storages that autograd keeps of ``encode()``."""
    storages = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        encode()
    return sum(storage.nbytes() for storage in storages.values())


def computed(recipe: Recipe, amp: bool, config: str = 'msta_vitb16_k400') -> Memory:
    """Return a step's memory, from shapes."""
    from mmaction.registry import MODELS

    cfg = read_config(config).model
    cfg.backbone.foundation.update(arch=recipe.arch, checkpoint=None)
    cfg.backbone.adapter.update(blocks=recipe.blocks, dim=recipe.dim)
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
    widest = tokens * round(size.mlp_ratio * size.width) * (2 if amp else 4)
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    weights = sum(p.nbytes for p in model.parameters())
    return Memory(two - one + 3 * widest, texts, weights, 3 * trained)


def setting(recipe: Recipe, memory: Memory, processes: int, gigabytes: float, device: str) -> str:
    """The largest batch that fits, a power of two, and the steps that make up the recipe's."""
    fit = memory.clips_in(gigabytes * GB - RESERVE[device])
    if not fit:
        return 'too small'
    batch = min(2 ** (fit.bit_length() - 1), recipe.batch // processes)
    counts = recipe.batch // processes // batch
    return f'{batch}' if counts == 1 else f'{batch}, accumulative_counts={counts}'


def measured(batch: int) -> float:
    """MiB that two steps of the first recipe add to a process of their own."""
    base, first = CONFIGS / 'msta_vitb16_k400.py', RECIPES[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'config.py')
        path.write_text(
            f'_base_ = {str(base)!r}\n'
            'model = dict(backbone=dict(foundation=dict(checkpoint=None), '
            f'adapter=dict(blocks={first.blocks}, dim={first.dim})), descriptions=None)\n'
            f'train_dataloader = dict(batch_size={batch})\n'
        )
        return memory_apart(str(path), False)


def main(argv: Sequence[str] | None = None) -> None:
    """Print two tables, or the computed and the measured memory of small batches."""
    from mmaction.utils import register_all_modules

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--measure', action='store_true', help='also run the steps on this CPU')
    args = parser.parse_args(argv)
    register_all_modules(init_default_scope=True)
    if args.measure:
        memory = computed(RECIPES[0], amp=False)
        for batch in (1, 2, 4):
            print(
                f'{batch} clip(s): computed {memory.of(batch) / MIB:.0f} MiB, '
                f'measured {measured(batch):.0f} MiB'
            )
        return
    print('| ViCLIP | `--amp` | a clip | 400 texts | weights | gradients, moments |')
    print('|---' * 6 + '|')
    fitting = {}
    for recipe in RECIPES:
        for amp in (False, True):
            memory = fitting[recipe] = computed(recipe, amp)
            sizes = ' | '.join(f'{part / MIB:.0f} MiB' for part in memory)
            print(f'| {recipe} | {"yes" if amp else "no"} | {sizes} |', flush=True)
    print(f'\n| `batch_size` with `--amp` | {" | ".join(map(str, RECIPES))} |')
    print('|---' * (len(RECIPES) + 1) + '|')
    for name, (processes, gigabytes) in MACHINES.items():
        device = 'CPU' if name.startswith('CPU') else 'GPU'
        cells = (setting(r, m, processes, gigabytes, device) for r, m in fitting.items())
        print(f'| {name} | {" | ".join(cells)} |')


if __name__ == '__main__':
    main()
