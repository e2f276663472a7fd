"""Video and text towers: embeddings around the block stack.

Shapes: B clips, T frames, H x W pixels, n patches a frame, W channels, L tokens, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import Architecture, FoundationError
from .packing import Packing, pack
from .transformer import BlockAdapter, BlockSizes, TokenLayout, Transformer, in_float32

Adapters = Mapping[int, BlockAdapter]


class VideoTower(nn.Module):
    """ViCLIP's joint space-time tower, or CLIP's image tower on each frame.

    Follows ``VisionTransformer`` of InternVideo's ``viclip_vision.py`` (joint) and of CLIP's
    ``model.py`` (frame-wise).
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        self.joint = arch.kind == 'ViCLIP'
        grid = arch.image_size // arch.patch_size
        scale = arch.width**-0.5
        self.conv1 = nn.Conv2d(3, arch.width, arch.patch_size, arch.patch_size, bias=False)
        self.class_embedding = nn.Parameter(scale * torch.randn(arch.width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(grid * grid + 1, arch.width))
        if self.joint:
            self.temporal_embedding = nn.Parameter(torch.zeros(arch.num_frames, arch.width))
        self.ln_pre = nn.LayerNorm(arch.width, arch.norm_eps)
        sizes = BlockSizes(arch.width, arch.heads, arch.activation, arch.mlp_ratio, arch.norm_eps)
        self.transformer = Transformer(arch.layers, sizes)
        self.ln_post = nn.LayerNorm(arch.width, arch.norm_eps)
        self.proj = nn.Parameter(scale * torch.randn(arch.width, arch.embed_dim))

    def layout(self, video: Tensor) -> TokenLayout:
        """Token layout of a clip batch ``(B, C, T, H, W)``; checks its shape."""
        if video.ndim != 5 or video.shape[1] != 3:
            raise FoundationError(
                f'a video batch is (B, 3, T, H, W); got shape {tuple(video.shape)}'
            )
        frames, height, width = video.shape[2:]
        patch = self.arch.patch_size
        if frames < 1 or height < patch or width < patch or height % patch or width % patch:
            raise FoundationError(
                f'a video of {frames} frame(s) of {height}x{width} pixels cannot be cut into '
                f'patches of {patch}x{patch}: height and width must be multiples of {patch}'
            )
        kind = 'joint' if self.joint else 'frames'
        return TokenLayout(kind, frames, height // patch, width // patch)

    def spatial_positions(self, height: int, width: int) -> Tensor:
        """Positional embedding of a ``height x width`` patch grid, ``(1 + height * width, W)``."""
        side = self.arch.image_size // self.arch.patch_size
        if (height, width) == (side, side):
            return self.positional_embedding
        patches = self.positional_embedding[1:].view(1, side, side, -1).permute(0, 3, 1, 2)
        patches = F.interpolate(patches, (height, width), mode='bicubic', align_corners=False)
        return torch.cat([self.positional_embedding[:1], patches.flatten(2)[0].T])

    def temporal_positions(self, frames: int) -> Tensor:
        """Temporal embedding of ``frames`` frames, ``(T, W)``; one frame gets the mean of all."""
        table = self.temporal_embedding
        if frames == len(table):
            return table
        if frames == 1:
            return table.mean(0, keepdim=True)
        return F.interpolate(table.T[None], frames, mode='linear', align_corners=False)[0].T

    def embed(self, video: Tensor, layout: TokenLayout) -> Tensor:
        """``(B, 3, T, H, W)`` -> tokens before the first block, ``(B or B*T, L, W)``."""
        batch = len(video)
        frames = video.transpose(1, 2).flatten(0, 1)  # (B*T, 3, H, W)
        patches = self.conv1(frames).flatten(2).transpose(1, 2)  # (B*T, n, W)
        positions = self.spatial_positions(layout.height, layout.width)
        patches = patches + positions[1:]
        rows = len(patches)
        if self.joint:
            rows = batch
            patches = patches.unflatten(0, (batch, layout.frames)).transpose(1, 2)  # (B, n, T, W)
            patches = (patches + self.temporal_positions(layout.frames)).flatten(1, 2)
        cls = (self.class_embedding + positions[0]).to(patches.dtype).expand(rows, 1, -1)
        return self.ln_pre(torch.cat([cls, patches], dim=1))

    def project(self, cls: Tensor, layout: TokenLayout) -> Tensor:
        """CLS rows after the last block, ``(N, 1, W)`` -> clip embeddings ``(B, D)``."""
        embeds = in_float32(lambda x: self.ln_post(x) @ self.proj, cls[:, 0])
        if not self.joint:
            embeds = embeds.unflatten(0, (-1, layout.frames)).mean(1)
        return embeds

    def advance(self, video: Tensor, block: int) -> VideoState:
        """Clips ``(B, 3, T, H, W)`` through the frozen part below ``block``, without adapters."""
        layout = self.layout(video)
        x = self.transformer(self.embed(video, layout), layout, stop=block - 1)
        return VideoState(x, layout, block)

    def finish(self, state: VideoState, adapters: Adapters | None = None) -> Tensor:
        """From a state to clip embeddings ``(B, D)``, not normalised."""
        x = self.transformer(state.x, state.layout, adapters, start=state.block, pool_rows=0)
        return self.project(x, state.layout)

    def forward(self, video: Tensor | VideoState, adapters: Adapters | None = None) -> Tensor:
        """``(B, 3, T, H, W)``, normalised, or a state -> ``(B, D)``, not normalised."""
        state = video if isinstance(video, VideoState) else self.advance(video, 1)
        return self.finish(state, adapters)


@dataclass(frozen=True)
class VideoState:
    """Clips on their way through the tower: ``x`` ``(B or B*T, L, W)`` enters block ``block``.

    The part below the first adapted block never changes, so the state of a clip that comes again
    may be kept.
    """

    x: Tensor
    layout: TokenLayout
    block: int


@dataclass(frozen=True)
class TextState:
    """Texts on their way through the tower: ``x`` enters block ``block``.

    The part below the first adapted block never changes, so a state computed once is used again
    in every step. Block 0 is the embedding: there ``x`` still holds the token ids ``(N, L)`` and
    ``eot`` ``(N,)`` where each text ends. From block 1 on the texts are packed: ``x``
    ``(1, S, W)``, with ``eot`` the place of each end-of-text token in that row. In a graph that is
    exported they are not (``packing`` None): ``x`` ``(N, L, W)``.
    """

    x: Tensor
    eot: Tensor
    block: int
    packing: Packing | None = None

    @property
    def layout(self) -> TokenLayout:
        return TokenLayout('text', packing=self.packing)


class TextTower(nn.Module):
    """CLIP's causal text transformer, read off at the end-of-text token (the largest id)."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        width = arch.text_width
        self.token_embedding = nn.Embedding(arch.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(arch.context_length, width))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        sizes = BlockSizes(
            width, arch.text_heads, arch.text_activation, arch.text_mlp_ratio, arch.text_norm_eps
        )
        self.transformer = Transformer(arch.text_layers, sizes)
        self.ln_final = nn.LayerNorm(width, arch.text_norm_eps)
        self.proj = nn.Parameter(width**-0.5 * torch.randn(width, arch.embed_dim))

    def embed(self, tokens: Tensor, context: Tensor | None = None) -> TextState:
        """Token ids ``(N, L)`` -> the state before block 1, without what stands after the
        end-of-text token: it cannot reach it under a causal mask.

        ``context`` ``(M, W)``, vectors in the place of words, is put behind the start token.
        """
        if tokens.ndim != 2 or tokens.shape[1] > self.arch.context_length:
            raise FoundationError(
                f'tokens are (N, L) with L at most {self.arch.context_length}, the context of this '
                f'model; got shape {tuple(tokens.shape)}. Use tokenize(texts, context_length='
                f'{self.arch.context_length})'
            )
        eot = tokens.argmax(-1)
        if torch.compiler.is_exporting():  # a graph cannot depend on the values of its inputs
            length = tokens.shape[1]
        else:
            self._check_ids(tokens)
            length = int(eot.max()) + 1 if len(tokens) else 1
        x = self.token_embedding(tokens[:, :length])
        if context is not None:
            self._check_room(length, len(context))
            x = torch.cat([x[:, :1], context.expand(len(x), -1, -1), x[:, 1:]], dim=1)
            eot = eot + len(context)
        x = x + self.positional_embedding[: x.shape[1]]
        if torch.compiler.is_exporting() or not len(tokens):
            return TextState(x, eot, 1)
        x, eot, packing = pack(x, tokens, 0 if context is None else len(context))
        return TextState(x, eot, 1, packing)

    def _check_ids(self, tokens: Tensor) -> None:
        if len(tokens) and int(tokens.max()) >= self.arch.vocab_size:
            raise FoundationError(
                f'token id {int(tokens.max())} is outside the vocabulary of {self.arch.vocab_size}'
            )

    def _check_room(self, tokens: int, vectors: int) -> None:
        room = self.arch.context_length
        if tokens + vectors > room:
            raise FoundationError(
                f'a text of {tokens} tokens and {vectors} context vectors do not fit the context '
                f'of {room} of this model: take at most {max(room - tokens, 0)} context vectors, '
                'or shorter texts'
            )

    def advance(self, state: TextState, block: int) -> TextState:
        """Run the frozen part below ``block``, without adapters."""
        if block == 0:
            return state
        state = self._embedded(state)
        x = self.transformer(state.x, state.layout, start=state.block, stop=block - 1)
        return replace(state, x=x, block=block)

    def finish(
        self,
        state: TextState,
        adapters: Adapters | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """From a state to text embeddings ``(N, D)``, not normalised; ``context`` as in
        :meth:`embed`, for a state at block 0.
        """
        state = self._embedded(state, context)
        x = self.transformer(
            state.x, state.layout, adapters, start=state.block, pool_rows=state.eot
        )
        return in_float32(lambda x: self.ln_final(x) @ self.proj, x[:, 0])

    def _embedded(self, state: TextState, context: Tensor | None = None) -> TextState:
        return self.embed(state.x, context) if state.block == 0 else state

    def forward(self, tokens: Tensor, adapters: Adapters | None = None) -> Tensor:
        """Token ids ``(N, L)`` -> ``(N, D)``, not normalised."""
        return self.finish(self.embed(tokens), adapters)
