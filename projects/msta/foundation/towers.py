"""The video tower: embeddings around the block stack.

Shapes: B clips, T frames, H x W pixels, n patches per frame, W channels, L tokens, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import Architecture, FoundationError
from .pooling import AttentionPooling
from .transformer import BlockAdapter, BlockSizes, TokenLayout, Transformer, in_float32

Adapters = Mapping[int, BlockAdapter]


class VideoTower(nn.Module):
    """ViCLIP's joint space-time tower, or an image tower on each frame.

    Follows ``VisionTransformer`` of InternVideo's ``viclip_vision.py`` (joint), of CLIP's
    ``model.py`` and of Perception Encoder's ``pe.py``, and SigLIP's ``vit.py`` (frame-wise).
    ``read_row`` is the row that the embedding is read from; None where all are pooled.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        self.joint = arch.kind == 'ViCLIP'
        grid = arch.image_size // arch.patch_size
        scale = arch.width**-0.5
        self.read_row = 0 if arch.pooling == 'cls' else None
        patch = arch.patch_size
        self.conv1 = nn.Conv2d(3, arch.width, patch, patch, bias=arch.patch_bias)
        if arch.class_token:
            self.class_embedding = nn.Parameter(scale * torch.randn(arch.width))
        places = grid * grid + int(arch.class_token)
        self.positional_embedding = nn.Parameter(scale * torch.randn(places, arch.width))
        if self.joint:
            self.temporal_embedding = nn.Parameter(torch.zeros(arch.num_frames, arch.width))
        self.ln_pre = nn.LayerNorm(arch.width, arch.norm_eps) if arch.ln_pre else nn.Identity()
        sizes = BlockSizes(
            arch.width, arch.heads, arch.activation, arch.mlp_ratio, arch.norm_eps, arch.rope
        )
        self.transformer = Transformer(arch.layers, sizes)
        self.ln_post = nn.LayerNorm(arch.width, arch.norm_eps)
        if arch.pooling == 'attention':
            self.pool = AttentionPooling(arch)
        if arch.projection:
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
        grid = (height // patch, width // patch)
        neighbours = self.arch.frame_attention == 'neighbours'
        return TokenLayout(
            kind, frames, *grid, class_token=self.arch.class_token, neighbours=neighbours
        )

    def spatial_positions(self, height: int, width: int) -> Tensor:
        """Positional embedding of a ``height x width`` patch grid, behind the class token's."""
        side = self.arch.image_size // self.arch.patch_size
        if (height, width) == (side, side):
            return self.positional_embedding
        first = int(self.arch.class_token)
        patches = self.positional_embedding[first:].view(1, side, side, -1).permute(0, 3, 1, 2)
        patches = F.interpolate(
            patches, (height, width), mode=self.arch.position_resize, align_corners=False
        )
        return torch.cat([self.positional_embedding[:first], patches.flatten(2)[0].T])

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
        patches = patches + positions[int(self.arch.class_token) :]
        rows = len(patches)
        if self.joint:
            rows = batch
            patches = patches.unflatten(0, (batch, layout.frames)).transpose(1, 2)  # (B, n, T, W)
            patches = (patches + self.temporal_positions(layout.frames)).flatten(1, 2)
        if self.arch.class_token:
            cls = (self.class_embedding + positions[0]).to(patches.dtype).expand(rows, 1, -1)
            patches = torch.cat([cls, patches], dim=1)
        return self.ln_pre(patches)

    def project(self, x: Tensor, layout: TokenLayout) -> Tensor:
        """Rows after the last block -> clip embeddings ``(B, D)``.

        ``x`` is ``(N, 1, W)``, the row that is read, or ``(N, L, W)`` for pooling by attention.
        """
        embeds = in_float32(self._pool, x)
        if self.joint:
            return embeds
        embeds = embeds.unflatten(0, (-1, layout.frames))
        if self.arch.frame_mean == 'normalised':
            embeds = F.normalize(embeds, dim=-1)
        return embeds.mean(1)

    def _pool(self, x: Tensor) -> Tensor:
        x = self.ln_post(x)
        pooled = x[:, 0] if self.read_row == 0 else self.pool(x)
        return pooled @ self.proj if self.arch.projection else pooled

    def advance(self, video: Tensor, block: int) -> VideoState:
        """Clips ``(B, 3, T, H, W)`` through the frozen part below ``block``, without adapters."""
        layout = self.layout(video)
        x = self.transformer(self.embed(video, layout), layout, stop=block - 1)
        return VideoState(x, layout, block)

    def finish(self, state: VideoState, adapters: Adapters | None = None) -> Tensor:
        """From a state to clip embeddings ``(B, D)``, not normalised."""
        x = self.transformer(
            state.x, state.layout, adapters, start=state.block, pool_rows=self.read_row
        )
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
