"""The multi-modal spatio-temporal adapter (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..foundation import Taps, TokenLayout, VideoLanguageModel
from .base import (
    TOWERS,
    AdapterError,
    BesideInput,
    FoundationAdapter,
    check_choice,
    check_positive,
    check_towers,
    resolve_blocks,
)

INPUTS = ('ln_1', 'raw')
TEMPORAL = ('depthwise', 'full', 'none')


class _ScaleGradient(torch.autograd.Function):
    """Identity whose gradient is multiplied by ``scale``."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None


class _ScaleValue(torch.autograd.Function):
    """Multiplication by ``scale`` whose gradient passes unchanged."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        return x * scale

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class TemporalConv(nn.Module):
    """3-D convolution over the patch grid; along frames only with the default kernel (3, 1, 1).

    A CLS token has a place in time, but none on the grid: it takes the kernel's centre column.
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel: Sequence[int], depthwise: bool
    ) -> None:
        super().__init__()
        if len(kernel) != 3 or any(size < 1 or size % 2 == 0 for size in kernel):
            raise AdapterError(
                f'temporal_kernel={tuple(kernel)!r} must be three odd sizes (frames, height, width)'
            )
        self.conv = nn.Conv3d(
            channels_in,
            channels_out,
            (kernel[0], kernel[1], kernel[2]),
            padding=(kernel[0] // 2, kernel[1] // 2, kernel[2] // 2),
            groups=channels_in if depthwise else 1,
        )

    def forward(self, grid: Tensor) -> Tensor:
        """Convolve ``(B, T, H, W, C)``; the result has the output channels."""
        depthwise = self.conv.groups > 1
        if depthwise and self.conv.kernel_size[1:] == (1, 1):
            return self._along_frames(grid)
        return self.conv(grid.permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1)

    def cls(self, cls: Tensor) -> Tensor:
        """Convolve the CLS tokens of the frames, ``(B, T, C)``, along time."""
        _, _, *sizes = self.conv.weight.shape
        centre = self.conv.weight[:, :, :, sizes[1] // 2, sizes[2] // 2]
        return F.conv1d(
            cls.transpose(1, 2),
            centre,
            self.conv.bias,
            padding=self.conv.padding[0],
            groups=self.conv.groups,
        ).transpose(1, 2)

    def _along_frames(self, grid: Tensor) -> Tensor:
        """Convolve depthwise by shifted products: no copy into another memory layout."""
        taps = self.conv.weight.flatten(1).T  # (kernel, C)
        frames, reach = grid.shape[1], len(taps) // 2
        out = grid * taps[reach] + cast(Tensor, self.conv.bias)
        for shift in range(1, min(reach, frames - 1) + 1):
            out[:, shift:] += grid[:, :-shift] * taps[reach - shift]
            out[:, :-shift] += grid[:, shift:] * taps[reach + shift]
        return out


class _Branch(nn.Module):
    """One tower's side of an adapter: down, (shared), up, and for video the temporal part."""

    def __init__(self, width: int, dim: int, spatial: bool = True) -> None:
        super().__init__()
        self.down = nn.Linear(width, dim)
        self.up = nn.Linear(dim, width)
        self.spatial = spatial
        self.temporal: TemporalConv | None = None

    def forward(self, z: Tensor, shared: nn.Module, layout: TokenLayout) -> Tensor:
        """Map ``(N, L, W)`` to ``(N, L, W)``."""
        h = shared(F.relu(self.down(z)))
        u = self.up(h)
        if self.temporal is None:
            return u
        # The depthwise convolution works on the spatial up-projection, the full one projects up.
        source = u if self.temporal.conv.groups > 1 else h
        temporal = temporal_residual(self.temporal, source, layout, u)
        return u + temporal if self.spatial else temporal


def temporal_residual(conv: TemporalConv, x: Tensor, layout: TokenLayout, like: Tensor) -> Tensor:
    """Apply ``conv`` to tokens ``(N, L, C)``; the result ``(N, L, W)`` has the shape of ``like``.

    In a joint sequence the CLS token belongs to no frame and gets zero.
    """
    t, h, w = layout.frames, layout.height, layout.width
    if layout.kind == 'joint':
        cls = torch.zeros_like(like[:, :1])
        if layout.pooled:
            return cls
        grid = x[:, 1:].unflatten(1, (h, w, t)).permute(0, 3, 1, 2, 4)  # (B, T, H, W, C)
        patches = conv(grid).permute(0, 2, 3, 1, 4).flatten(1, 3)
        return torch.cat([cls, patches], dim=1)
    x = x.unflatten(0, (-1, t))  # (B, T, L, C)
    cls = conv.cls(x[:, :, 0]).flatten(0, 1).unsqueeze(1)
    if layout.pooled:
        return cls
    patches = conv(x[:, :, 1:].unflatten(2, (h, w))).flatten(2, 3).flatten(0, 1)
    return torch.cat([cls, patches], dim=1)


class _Pair(nn.Module):
    """The adapters at one depth of both towers, with the projection they share (W^s)."""

    def __init__(self, dim: int, shared: bool) -> None:
        super().__init__()
        self.video: _Branch | None = None
        self.text: _Branch | None = None
        self.shared = nn.Sequential(nn.Linear(dim, dim), nn.ReLU()) if shared else nn.Identity()


class MSTAAdapter(FoundationAdapter):
    """Adapters beside blocks ``first..last`` of both towers: ``block(x) + scale * A(z)``.

    ``text: A = W_u h``, ``video: A = u + DWConv3d(u)``, ``u = W_us h``, where
    ``h = relu(W_s relu(W_d z))`` and ``W_s`` is one matrix for both towers.

    Args:
        blocks: first and last block of the video tower, 1-based, both included. The text tower
            takes part from the top: video block ``L_v - i`` is paired with text block ``L_t - i``.
        dim: width of the bottleneck.
        scale: lambda of the paper.
        input: ``'ln_1'``, the tensor attention reads (as in MMA, CVPR 2024), or ``'raw'``, the
            block's input (the paper's formula).
        temporal: ``'depthwise'`` on the spatial up-projection (it alone gives the published
            parameter counts), ``'full'``, a dense convolution from the bottleneck up, or
            ``'none'``.
        temporal_kernel: frames, height, width; odd.
        spatial: with False the video side keeps the temporal part alone.
        shared: with False there is no shared projection.
        towers: which towers are adapted.
        last_temporal: with False the last block of a joint space-time tower (ViCLIP) has no
            temporal part. Only the CLS row is read there, and CLS takes the spatial part alone, so
            that this convolution never gets a gradient: at B/16 3,072 parameters, which the
            published counts include. Scores are the same without it, and every parameter of the
            adapters then gets a gradient.
        rescale_gradient: give the parameters d/dA instead of ``scale`` * d/dA, as MMA does; the
            gradient to the tower stays the plain one.
    """

    def __init__(
        self,
        foundation: VideoLanguageModel,
        blocks: Sequence[int],
        dim: int = 128,
        scale: float = 0.005,
        input: str = 'ln_1',
        temporal: str = 'depthwise',
        temporal_kernel: Sequence[int] = (3, 1, 1),
        spatial: bool = True,
        shared: bool = True,
        towers: Sequence[str] = TOWERS,
        last_temporal: bool = True,
        rescale_gradient: bool = True,
    ) -> None:
        super().__init__(foundation)
        arch = foundation.arch
        numbers = resolve_blocks(blocks, arch.layers)
        check_choice('input', input, INPUTS)
        check_choice('temporal', temporal, TEMPORAL)
        check_positive('dim', dim)
        check_towers(towers)
        if not spatial and temporal == 'none':
            raise AdapterError("spatial=False and temporal='none' leave the video side empty")
        self.scale = scale
        self.input = input
        self.rescale_gradient = rescale_gradient
        self.pairs = nn.ModuleDict()
        for number in numbers:
            pair = _Pair(dim, shared)
            silent = foundation.visual.joint and number == arch.layers and not last_temporal
            kind = 'none' if silent else temporal
            if 'video' in towers and (spatial or kind != 'none'):
                pair.video = _Branch(arch.width, dim, spatial)
                if kind == 'depthwise':
                    pair.video.temporal = TemporalConv(
                        arch.width, arch.width, temporal_kernel, depthwise=True
                    )
                elif kind == 'full':
                    pair.video.temporal = TemporalConv(
                        dim, arch.width, temporal_kernel, depthwise=False
                    )
                self.video[number] = partial(self._beside, pair.video, pair.shared)
            text_number = number - arch.layers + arch.text_layers
            if 'text' in towers and text_number >= 1:
                pair.text = _Branch(arch.text_width, dim)
                self.text[text_number] = partial(self._beside, pair.text, pair.shared)
            if pair.video is not None or pair.text is not None:
                self.pairs[str(number)] = pair
        if not self.pairs:
            raise AdapterError(
                f'blocks={tuple(blocks)} of the video tower ({arch.layers} blocks) meet none of '
                f"the text tower's {arch.text_layers}, so no adapter would be trained"
                if 'text' in towers
                else f'blocks={tuple(blocks)}: the last block alone, with spatial=False and '
                'last_temporal=False, has no adapter to train'
            )
        self.apply(_init_kaiming)

    def _beside(
        self, branch: _Branch, shared: nn.Module, taps: Taps, layout: TokenLayout
    ) -> Tensor:
        return self._of_input(branch, shared, taps.raw, taps.ln_1, layout)

    def _of_input(
        self, branch: _Branch, shared: nn.Module, raw: Tensor, ln_1: Tensor, layout: TokenLayout
    ) -> Tensor:
        z = ln_1 if self.input == 'ln_1' else raw
        if not self.rescale_gradient:
            return self.scale * branch(z, shared, layout)
        return _ScaleValue.apply(
            branch(_ScaleGradient.apply(z, self.scale), shared, layout), self.scale
        )

    def beside_input(self, number: int) -> BesideInput | None:
        """Give the adapter beside a video block: all of them read only their block's input."""
        if number not in self.video:
            return None
        pair = cast(_Pair, self.pairs[str(number)])
        return partial(self._of_input, cast(_Branch, pair.video), pair.shared)


def _init_kaiming(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
        if module.bias is not None:
            nn.init.zeros_(module.bias)
