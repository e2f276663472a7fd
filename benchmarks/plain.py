"""The reference path: the method written down plainly, as public code of this line of work runs it.

Every text token, every block, every class, every row, every step; ``nn.MultiheadAttention``, LND
order, ``nn.Conv3d``. It shares its weights with the model it is compared with. Used to prove the
shortcuts equal and to measure them; never for training.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import projects.msta.register  # noqa: F401 - patches what breaks before it is imported
from projects.msta.adapters.msta import MSTAAdapter
from projects.msta.foundation import VideoLanguageModel
from projects.msta.foundation.transformer import Block
from projects.msta.models import MSTARecognizer


class PlainBlock(nn.Module):
    """CLIP's ``ResidualAttentionBlock`` on ``(L, N, W)``, with an adapter beside it."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        width = block.ln_1.normalized_shape[0]
        with torch.device('meta'):  # its own weights are replaced at once
            self.attn = nn.MultiheadAttention(width, block.attn.heads)
        self.attn.in_proj_weight = cast(nn.Parameter, block.attn.qkv.weight)
        self.attn.in_proj_bias = block.attn.qkv.bias
        self.attn.out_proj.weight = block.attn.out.weight
        self.attn.out_proj.bias = block.attn.out.bias
        self.ln_1, self.ln_2, self.mlp = block.ln_1, block.ln_2, block.mlp

    def forward(self, x: Tensor, mask: Tensor | None, adapter: PlainAdapter | None) -> Tensor:
        z = self.ln_1(x)
        y = x + self.attn(z, z, z, need_weights=False, attn_mask=mask)[0]
        y = y + self.mlp(self.ln_2(y))
        return y if adapter is None else y + adapter(z)


class PlainAdapter(nn.Module):
    """One tower's side of an MSTA adapter on ``(L, N, W)``, through ``nn.Conv3d``."""

    def __init__(self, adapter: MSTAAdapter, number: int, tower: str) -> None:
        super().__init__()
        self.branch, self.shared = getattr(adapter, tower)[number].args
        self.scale = adapter.scale
        self.grid: tuple[int, int, int] | None = None  # frames, height, width of a joint sequence

    def forward(self, z: Tensor) -> Tensor:
        u = self.branch.up(self.shared(F.relu(self.branch.down(z))))
        if self.branch.temporal is not None and self.grid is not None:
            t, h, w = self.grid
            length, n, width = u.shape
            patches = u[1:].reshape(h, w, t, n, width).permute(3, 4, 2, 0, 1)  # (N, W, T, H, W')
            moved = self.branch.temporal.conv(patches).permute(3, 4, 2, 0, 1)
            u = u + torch.cat([torch.zeros_like(u[:1]), moved.reshape(length - 1, n, width)])
        return self.scale * u


class PlainModel(nn.Module):
    """A ViCLIP recognizer with MSTA adapters (or none), without any shortcut."""

    def __init__(self, model: MSTARecognizer) -> None:
        super().__init__()
        self.foundation: VideoLanguageModel = model.backbone.foundation
        adapter = model.backbone.adapter
        self.video_blocks = nn.ModuleList(
            map(PlainBlock, self.foundation.visual.transformer.blocks)
        )
        self.text_blocks = nn.ModuleList(map(PlainBlock, self.foundation.text.transformer.blocks))
        self.video_adapters = {n: PlainAdapter(adapter, n, 'video') for n in adapter.video}
        self.text_adapters = {n: PlainAdapter(adapter, n, 'text') for n in adapter.text}
        self.alpha = model.cls_head.alpha

    def encode_video(self, video: Tensor) -> Tensor:
        """``(B, 3, T, H, W)`` -> ``(B, D)``."""
        visual = self.foundation.visual
        layout = visual.layout(video)
        x = visual.embed(video, layout).transpose(0, 1)
        for number, block in enumerate(self.video_blocks, 1):
            adapter = self.video_adapters.get(number)
            if adapter is not None:
                adapter.grid = (layout.frames, layout.height, layout.width)
            x = block(x, None, adapter)
        return visual.ln_post(x.transpose(0, 1))[:, 0] @ visual.proj

    def encode_text(self, tokens: Tensor) -> Tensor:
        """``(N, L)``, uncut -> ``(N, D)``."""
        text = self.foundation.text
        length = tokens.shape[1]
        mask = torch.full((length, length), float('-inf'), device=tokens.device).triu(1)
        x = (text.token_embedding(tokens) + text.positional_embedding[:length]).transpose(0, 1)
        for number, block in enumerate(self.text_blocks, 1):
            x = block(x, mask, self.text_adapters.get(number))
        x = text.ln_final(x.transpose(0, 1))
        return x[torch.arange(len(x)), tokens.argmax(-1)] @ text.proj

    def loss(
        self, video: Tensor, labels: Tensor, tokens: Tensor, descriptions: list[Tensor]
    ) -> Tensor:
        """Cross-entropy plus consistency; ``descriptions`` are embeddings ``(K, D)``."""
        classes = F.normalize(self.encode_text(tokens), dim=-1)
        cosine = F.normalize(self.encode_video(video), dim=-1) @ classes.T
        loss = F.cross_entropy(self.foundation.logit_scale * cosine, labels)
        for target in descriptions:
            loss = loss + self.alpha * (1 - F.cosine_similarity(classes, target)).mean()
        return loss
