"""Rotary positions on the patch grid (RoPE, Su et al. 2021), as Perception Encoder has them.

Half of a head's channels turn with the column of a patch, the other half with its row.
"""

from __future__ import annotations

import torch
from torch import Tensor

_THETA = 10000.0

# Cosines and sines, each (L, channels of a head), float32.
Rotary = tuple[Tensor, Tensor]


def rotary_positions(
    height: int, width: int, head_channels: int, class_token: bool, device: torch.device
) -> Rotary:
    """Return the angles of a ``height x width`` grid, row by row, behind those of a class token.

    With a class token the grid counts from 1 and the class token stands at 0, where nothing turns;
    without one the grid counts from 0.
    """
    first = int(class_token)
    columns = torch.arange(first, first + width, device=device, dtype=torch.float32)
    rows = torch.arange(first, first + height, device=device, dtype=torch.float32)
    places = torch.stack([columns.repeat(height), rows.repeat_interleave(width)], dim=1)  # (n, 2)
    steps = torch.arange(0, head_channels // 2, 2, device=device, dtype=torch.float32)
    speeds = _THETA ** (-steps / (head_channels // 2))
    angles = (places[:, :, None] * speeds).flatten(1)  # (n, head_channels / 2), x before y
    angles = angles.repeat_interleave(2, dim=1)  # neighbours turn together
    if class_token:
        angles = torch.cat([angles.new_zeros(1, head_channels), angles])
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turn queries or keys ``(N, L, heads, channels)`` by the angles of their places."""
    cosine, sine = (part[:, None] for part in rotary)
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([-odd, even], dim=-1).flatten(-2)
    return (x * cosine + turned * sine).to(x.dtype)
