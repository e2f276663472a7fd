"""The block stack that serves both towers of all foundation models.

An adapter is a callable beside a block, ``x = block(x) + adapter(taps, layout)``, or :class:`Sites`
where it enters elsewhere. Which blocks have one is data, a mapping from 1-based block number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .neighbours import with_neighbours
from .packing import Packing
from .rope import Rotary, rotary_positions, rotate


@dataclass(frozen=True)
class TokenLayout:
    """How the token axis of a stack is to be read.

    ``kind``: ``'text'``; ``'joint'``, one clip per row: CLS, then patches position-major (index
    ``1 + n * frames + t``); ``'frames'``, one frame per row (``B * frames`` rows): CLS, patches.
    ``class_token``: whether there is a CLS; without one, patches alone.
    ``causal``: of texts, whether a token sees only those before it.
    ``pooled``: the tensors hold only the row that the embedding is read from (CLS, end-of-text).
    ``packing``: the texts lie in one row (see :class:`Packing`), not one text per row.
    ``neighbours``: whether a frame attends to the ones before and after it too.
    ``rotary``: angles by which queries and keys turn; the stack adds them for its blocks.
    """

    kind: str
    frames: int = 1
    height: int = 0
    width: int = 0
    pooled: bool = False
    packing: Packing | None = None
    class_token: bool = True
    causal: bool = True
    neighbours: bool = False
    rotary: Rotary | None = field(default=None, compare=False, repr=False)


class Taps(NamedTuple):
    """What an adapter may read of its block; each is ``(N, L, W)``."""

    raw: Tensor  # the block's input
    ln_1: Tensor  # what attention reads
    mid: Tensor  # after attention and its residual
    ln_2: Tensor  # what the MLP reads


Beside: TypeAlias = Callable[[Taps, TokenLayout], Tensor]
LinearChanges: TypeAlias = Mapping[str, Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Sites:
    """The places at which a method may enter a block; each adds to what is there.

    ``before``: to the block's input, ``x + before(x, layout)``; all rows, in a last block too.
    ``linears``: to the output of the linear layers ``'qkv'``, ``'out'``, ``'fc'``, ``'proj'``, each
    given the layer's input. ``beside``: to the block's output.
    """

    before: Callable[[Tensor, TokenLayout], Tensor] | None = None
    linears: LinearChanges = field(default_factory=dict)
    beside: Beside | None = None


BlockAdapter: TypeAlias = Beside | Sites
Rows: TypeAlias = 'int | Tensor | None'


def take_rows(x: Tensor, rows: Rows) -> Tensor:
    """``(N, L, W)`` -> the given row of each sequence, ``(N, 1, W)``; all of ``x`` for ``None``."""
    if rows is None:
        return x
    if isinstance(rows, int):
        return x[:, rows : rows + 1]
    return x[torch.arange(len(x), device=x.device), rows].unsqueeze(1)


def in_float32(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``compute(x)`` in float32 under autocast too: for what is trained, and what logits are made
    of. In bfloat16 the small changes of the one and the small differences of the other would drown.
    """
    if not torch.is_autocast_enabled(x.device.type):
        return compute(x)
    with torch.autocast(x.device.type, enabled=False):
        return compute(x.float())


def _changed(name: str, layer: nn.Linear, x: Tensor, changes: LinearChanges) -> Tensor:
    return layer(x) + in_float32(changes[name], x) if name in changes else layer(x)


class QuickGELU(nn.Module):
    """``x * sigmoid(1.702 x)``, the activation of OpenAI's CLIP and of ViCLIP."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Tensor,
        layout: TokenLayout,
        rows: Rows = None,
        changes: LinearChanges | None = None,
    ) -> Tensor:
        """``(N, L, W)`` -> ``(N, L, W)``, or ``(N, 1, W)`` where only ``rows`` ask."""
        changes = changes or {}
        qkv = _changed('qkv', self.qkv, x, changes)
        if layout.packing is not None:
            assert not isinstance(rows, int), 'texts end at different places'
            attended = layout.packing.attend(qkv, self.heads, rows)
        else:
            attended = self._attend(qkv, layout, rows)
        return _changed('out', self.out, attended, changes)

    def _attend(self, qkv: Tensor, layout: TokenLayout, rows: Rows) -> Tensor:
        n, length, width = *qkv.shape[:2], qkv.shape[2] // 3
        q, k, v = qkv.view(n, length, 3, self.heads, width // self.heads).unbind(2)
        if layout.rotary is not None:
            q, k = rotate(q, layout.rotary), rotate(k, layout.rotary)
        if layout.neighbours:
            k, v = with_neighbours(k, layout.frames), with_neighbours(v, layout.frames)
        mask, causal = None, layout.kind == 'text' and layout.causal
        if rows is not None:
            q = take_rows(q.flatten(2), rows).unflatten(2, (self.heads, -1))
            if causal:  # the one query stands at `rows`: it sees what stands at or before it
                places = torch.arange(length, device=qkv.device)
                seen = places <= torch.as_tensor(rows, device=qkv.device).view(-1, 1)
                mask, causal = seen[:, None, None], False
        attended = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, is_causal=causal
        )  # (N, heads, L or 1, W / heads)
        return attended.transpose(1, 2).flatten(2)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    'quick_gelu': QuickGELU,
    'gelu': nn.GELU,
    'gelu_tanh': lambda: nn.GELU(approximate='tanh'),
}


class BlockSizes(NamedTuple):
    """What the blocks of one tower are made of; ``mlp_ratio``: hidden channels to ``width``;
    ``rope``: with rotary positions on the patch grid.
    """

    width: int
    heads: int
    activation: str
    mlp_ratio: float
    norm_eps: float
    rope: bool = False


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.fc = nn.Linear(width, hidden)
        self.act = ACTIVATIONS[activation]()
        self.proj = nn.Linear(hidden, width)

    def forward(self, x: Tensor, changes: LinearChanges | None = None) -> Tensor:
        changes = changes or {}
        return _changed('proj', self.proj, self.act(_changed('fc', self.fc, x, changes)), changes)


class Block(nn.Module):
    """Pre-norm residual block (``ResidualAttentionBlock`` of CLIP's ``model.py``)."""

    def __init__(self, sizes: BlockSizes) -> None:
        super().__init__()
        width = sizes.width
        self.ln_1 = nn.LayerNorm(width, sizes.norm_eps)
        self.attn = Attention(width, sizes.heads)
        self.ln_2 = nn.LayerNorm(width, sizes.norm_eps)
        self.mlp = MLP(width, round(sizes.mlp_ratio * width), sizes.activation)

    def forward(
        self,
        x: Tensor,
        layout: TokenLayout,
        adapter: BlockAdapter | None = None,
        rows: Rows = None,
    ) -> Tensor:
        """``(N, L, W)`` -> ``(N, L, W)``; with ``rows`` only those rows, ``(N, 1, W)``, past keys
        and values: in a last block nothing else is read.
        """
        sites = adapter if isinstance(adapter, Sites) else Sites(beside=adapter)
        if sites.before is not None:
            before = sites.before
            x = x + in_float32(lambda x: before(x, layout), x)
        ln_1 = self.ln_1(x)
        raw = take_rows(x, rows)
        mid = raw + self.attn(ln_1, layout, rows, sites.linears)
        ln_2 = self.ln_2(mid)
        out = mid + self.mlp(ln_2, sites.linears)
        if sites.beside is None:
            return out
        beside, layout = sites.beside, layout if rows is None else replace(layout, pooled=True)
        z = take_rows(ln_1, rows)
        # The taps are float32 under autocast as well: norms and residual sums.
        return out + in_float32(lambda raw: beside(Taps(raw, z, mid, ln_2), layout), raw)


class Transformer(nn.Module):
    """Blocks ``1..layers``, addressed from 1 as the paper does."""

    def __init__(self, layers: int, sizes: BlockSizes) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(layers))
        self.recompute = False  # activation checkpointing: less memory, more time, with gradients
        self._rotary_channels = sizes.width // sizes.heads if sizes.rope else 0
        self._init_weights(sizes.width, layers)

    def _init_weights(self, width: int, layers: int) -> None:
        """CLIP's initialisation: residual branches shrink with depth."""
        residual_std = (width * 2 * layers) ** -0.5
        for module in self.modules():
            if isinstance(module, Block):
                nn.init.normal_(module.attn.qkv.weight, std=width**-0.5)
                nn.init.normal_(module.attn.out.weight, std=residual_std)
                nn.init.normal_(module.mlp.fc.weight, std=(2 * width) ** -0.5)
                nn.init.normal_(module.mlp.proj.weight, std=residual_std)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(
        self,
        x: Tensor,
        layout: TokenLayout,
        adapters: Mapping[int, BlockAdapter] | None = None,
        start: int = 1,
        stop: int | None = None,
        pool_rows: Rows = None,
    ) -> Tensor:
        """Run blocks ``start..stop`` (both included; to the last by default).

        ``pool_rows`` says which row the caller reads of the last block: the others are then not
        computed there and the result is ``(N, 1, W)``.
        """
        adapters = adapters or {}
        if self._rotary_channels:
            turns = rotary_positions(
                layout.height, layout.width, self._rotary_channels, layout.class_token, x.device
            )
            layout = replace(layout, rotary=turns)
        last = len(self.blocks) if stop is None else stop
        for number in range(start, last + 1):
            block = self.blocks[number - 1]
            rows = pool_rows if number == last else None
            args = (x, layout, adapters.get(number), rows)
            if self.recompute and torch.is_grad_enabled() and (x.requires_grad or args[2]):
                x = checkpoint(block, *args, use_reentrant=False)
            else:
                x = block(*args)
        return x
