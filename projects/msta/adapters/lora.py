"""LoRA: low-rank changes of linear layers (Hu et al., ICLR 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..foundation import Sites, VideoLanguageModel
from .base import AdapterError, FoundationAdapter, check_positive, tower_blocks
from .weights import with_weights

# Target -> the linear layer it is in. Queries, keys and values are thirds of one layer.
TARGETS = {'q': 'qkv', 'k': 'qkv', 'v': 'qkv', 'o': 'out', 'fc': 'fc', 'proj': 'proj'}
_PATHS = {'qkv': 'attn.qkv', 'out': 'attn.out', 'fc': 'mlp.fc', 'proj': 'mlp.proj'}


class _Factors(nn.Module):
    """``up(down(x))``, zero at the start."""

    def __init__(self, width_in: int, width_out: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(width_in, rank, bias=False)
        self.up = nn.Linear(rank, width_out, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))

    def weight(self) -> Tensor:
        return self.up.weight @ self.down.weight


class _LowRank(nn.Module):
    """``scaling * up(down(x))`` in each trained part of one linear layer's output.

    mmpretrain's ``LoRALinear`` and peft replace a whole ``nn.Linear`` by a module that holds it:
    they can neither change queries and values alone in a joint projection nor leave the
    foundation's parameter names as they are.
    """

    def __init__(
        self, layer: nn.Linear, targets: Sequence[str], rank: int, scaling: float, dropout: float
    ) -> None:
        super().__init__()
        # 'qkv' consists of three parts, any other layer of one.
        self.names = ('q', 'k', 'v') if set(targets) <= {'q', 'k', 'v'} else tuple(targets)
        sizes = layer.in_features, layer.out_features // len(self.names)
        self.parts = nn.ModuleDict({target: _Factors(*sizes, rank) for target in targets})
        self.scaling = scaling
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map the layer's input ``(N, L, in)`` to what is added to its output, ``(N, L, out)``."""
        x = self.dropout(x)
        return self._join({name: part(x) for name, part in self.parts.items()}, dim=-1)

    def weight(self) -> Tensor:
        """Give the same change as a matrix ``(out, in)``."""
        parts = {name: cast(_Factors, part).weight() for name, part in self.parts.items()}
        return self._join(parts, dim=0)

    def _join(self, parts: dict[str, Tensor], dim: int) -> Tensor:
        """Put the parts in order, with zeros where none is trained."""
        some = next(iter(parts.values()))
        zeros = torch.zeros_like(some) if len(parts) < len(self.names) else some
        return self.scaling * torch.cat([parts.get(n, zeros) for n in self.names], dim)


class LoRA(FoundationAdapter):
    """``W x + (alpha / rank) * B A x`` in linear layers of the blocks; B starts at zero.

    Rank 256 on q and v of ViCLIP-B/16's video tower are the 9.4M of the paper's comparison.

    Args:
        rank: of each change.
        targets: which matrices: any of ``'q'``, ``'k'``, ``'v'``, ``'o'`` (attention's output),
            ``'fc'`` and ``'proj'`` (the MLP's).
        alpha: numerator of the scaling; ``rank`` (a scaling of 1) when None.
        dropout: probability of dropping an input of A in training.
        blocks: first and last block of the video tower; the text tower's are paired from the top.
            None changes all blocks.
        towers: which towers are changed.
    """

    def __init__(
        self,
        foundation: VideoLanguageModel,
        rank: int = 256,
        targets: Sequence[str] = ('q', 'v'),
        alpha: float | None = None,
        dropout: float = 0.0,
        blocks: Sequence[int] | None = None,
        towers: Sequence[str] = ('video',),
    ) -> None:
        super().__init__(foundation)
        check_positive('rank', rank)
        if not targets or set(targets) - set(TARGETS) or len(set(targets)) < len(targets):
            raise AdapterError(f'targets={targets!r} must be any of {tuple(TARGETS)}, once each')
        scaling = 1.0 if alpha is None else alpha / rank
        layers: dict[str, list[str]] = {}
        for target in TARGETS:
            if target in targets:
                layers.setdefault(TARGETS[target], []).append(target)
        self.changes = nn.ModuleDict()
        stacks = {'video': foundation.visual.transformer, 'text': foundation.text.transformer}
        sides = {'video': self.video, 'text': self.text}
        for tower, numbers in tower_blocks(foundation.arch, towers, blocks).items():
            for number in numbers:
                block = stacks[tower].blocks[number - 1]
                change = {}
                for name, parts in layers.items():
                    layer = cast(nn.Linear, block.get_submodule(_PATHS[name]))
                    change[name] = _LowRank(layer, parts, rank, scaling, dropout)
                self.changes[f'{tower}_{number}'] = nn.ModuleDict(change)
                sides[tower][number] = Sites(linears=change)

    @torch.no_grad()
    def merged(self, foundation: VideoLanguageModel) -> VideoLanguageModel:
        weights = {}
        for key, change in self.changes.items():
            tower, number = key.split('_')
            stack = f'{"visual" if tower == "video" else "text"}.transformer'
            for name, low_rank in cast(nn.ModuleDict, change).items():
                path = f'{stack}.blocks.{int(number) - 1}.{_PATHS[name]}.weight'
                frozen = foundation.get_parameter(path)
                weights[path] = frozen + cast(_LowRank, low_rank).weight().to(frozen)
        return with_weights(foundation, weights)
