"""Class embeddings computed once, and dropped the moment a trained weight changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class ClassCache:
    """Keeps one tensor for as long as every watched parameter holds the values it was made from.

    Values are compared, not version counters: some writers (MMEngine's EMA hook among them) change
    ``parameter.data`` behind PyTorch's back. Adapters are small, so this costs about a millisecond.
    """

    def __init__(self) -> None:
        self._value: Tensor | None = None
        self._seen: list[Tensor] = []
        self._dtype: torch.dtype | None = None

    def get(self, parameters: Iterable[Tensor], compute: Callable[[], Tensor]) -> Tensor:
        current = [p.detach() for p in parameters]
        device = current[0].device.type if current else 'cpu'
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        if self._value is None or dtype != self._dtype or not self._same(current):
            self._value = compute()
            self._seen = [p.clone() for p in current]
            self._dtype = dtype
        return self._value

    def _same(self, current: list[Tensor]) -> bool:
        return len(current) == len(self._seen) and all(
            a.device == b.device and torch.equal(a, b)
            for a, b in zip(current, self._seen, strict=True)
        )
