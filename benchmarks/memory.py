"""Memory of a training step: computed from shapes, and measured beside it.

    python -m benchmarks.memory [--measure]

Computed: a step's forward and backward pass runs on clips without contents (torch's
``FakeTensorMode``) while every storage is counted from the operation that makes it until nothing
holds it; the largest sum at any moment, with 1 and with 64 clips, gives what a clip adds and what a
step takes once. The texts of 400 classes are encoded for real. AdamW's two moments and the weights
are counted by their sizes. ``--measure``: what two steps of ViCLIP-B/16 add to the resident memory
of a process of their own, as glibc's heap has it, and with a heap that gives freed tensors back
(``MALLOC_MMAP_THRESHOLD_=65536``).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from projects.msta import register  # noqa: F401 - lets mmaction be imported
from projects.msta.paths import CONFIGS
from projects.msta.protocols.costs import memory_apart
from projects.msta.training.config import read_config

MIB, GB = 2**20, 10**9
# Not for tensors: CUDA's context and libraries, and what its allocator cannot use; of a CPU's
# memory Python, the loaders' workers and the system.
RESERVE = {'GPU': 1.5 * GB, 'CPU': 6 * GB}
# What glibc's heap holds to what a clip's tensors take: measured, (2130 - 874) / 3 to 284 MiB.
HEAP = {'GPU': 1.0, 'CPU': 1.5}


_MANY = 64  # clips


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
)
# What it is called -> processes, and GB of each.
MACHINES = {
    'CPU, 16 GB': (1, 16), '1 GPU of 8 GB': (1, 8), '1 GPU of 24 GB': (1, 24),
    '1 GPU of 80 GB': (1, 80), '8 GPUs of 24 GB': (8, 24),
}  # fmt: skip


class Memory(NamedTuple):
    """Bytes of a training step: of each clip, of a step whatever its clips, of the weights."""

    clip: int
    once: int  # texts, gradients, moments
    weights: int

    def of(self, clips: int) -> int:
        """What a step of so many clips adds to the weights, at most."""
        return clips * self.clip + self.once

    def clips_in(self, room: float, heap: float) -> int:
        """How many clips fit; ``heap``: bytes that a byte of a clip's tensors takes."""
        return max(0, int((room - self.weights - self.once) // (heap * self.clip)))


class Live(TorchDispatchMode):
    """Counts the bytes of storages that operations make, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if any(returned.alias_info for returned in func._schema.returns):
            return out  # a view of what is known, or what was changed in place
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in self._known:
                self._note(tensor.untyped_storage())
        return out

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def freed(_: object) -> None:
            self.now -= size
            del self._known[key]

        self._known[key] = weakref.ref(storage, freed)
        self.now += size
        self.peak = max(self.peak, self.now)


def built(recipe: Recipe) -> Any:
    """A recipe's recognizer with random weights, ready for a step."""
    from mmaction.registry import MODELS

    cfg = read_config('msta_vitb16_k400').model
    cfg.backbone.foundation.update(arch=recipe.arch, checkpoint=None)
    cfg.backbone.adapter.update(blocks=recipe.blocks, dim=recipe.dim)
    cfg.descriptions = None
    model = MODELS.build(cfg).train()
    model.encode_classes()  # what later steps find computed
    return model


def computed(model: Any, amp: bool) -> Memory:
    """Return a step's memory, from shapes."""
    one, many = (_peak(model, clips, amp) for clips in (1, _MANY))
    # The peak moves from the texts to the videos, so it grows by less at first: between the two
    # the line lies above it.
    clip = (many - one) // (_MANY - 1)
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    return Memory(clip, one - clip + 2 * trained, sum(p.nbytes for p in model.parameters()))


def _peak(model: Any, clips: int, amp: bool) -> int:
    """The most bytes that a forward and backward pass holds at a time, gradients among them."""
    size = model.backbone.foundation.arch
    shape = (clips, 3, size.num_frames, size.image_size, size.image_size)
    fake, live = FakeTensorMode(allow_non_fake_inputs=True), Live()
    with torch.autocast('cpu', torch.bfloat16, enabled=amp):
        with fake, live:
            video = model.backbone.encode_video(torch.empty(shape))
        with live:
            texts = model.encode_classes()
    with fake, live:
        cosines = F.normalize(video.float(), dim=-1) @ F.normalize(texts.float(), dim=-1).T
        F.cross_entropy(cosines, torch.zeros(clips, dtype=torch.int64)).backward()
    model.zero_grad()
    return live.peak


def setting(recipe: Recipe, memory: Memory, processes: int, gigabytes: float, device: str) -> str:
    """The largest batch that fits, a power of two, and the steps that make up the recipe's."""
    fit = memory.clips_in(gigabytes * GB - RESERVE[device], HEAP[device])
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
        memory = computed(built(RECIPES[0]), amp=False)
        print('| clips | computed | measured | measured, freed tensors given back |')
        print('|---' * 4 + '|')
        for batch in (1, 2, 4):
            plain = measured(batch)
            os.environ['MALLOC_MMAP_THRESHOLD_'] = '65536'
            sizes = (memory.of(batch) / MIB, plain, measured(batch))
            del os.environ['MALLOC_MMAP_THRESHOLD_']
            print(f'| {batch} | {" | ".join(f"{s:.0f} MiB" for s in sizes)} |', flush=True)
        return
    print('| ViCLIP | `--amp` | a clip | once | weights |')
    print('|---' * 5 + '|')
    fitting = {}
    for recipe in RECIPES:
        model = built(recipe)
        for amp in (False, True):
            memory = fitting[recipe] = computed(model, amp)
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
