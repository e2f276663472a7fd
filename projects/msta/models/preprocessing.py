"""The data preprocessor of a foundation: its pixel statistics, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..foundation import Architecture, FoundationError

# Statistics are printed with as few as two digits after the point, on a 0..255 scale.
_ROUNDING = 0.05


def preprocessor_of(arch: Architecture, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The config of a data preprocessor: as given, with the pixel statistics of the foundation.

    Raises:
        FoundationError: it has statistics of its own, which are not the foundation's.
    """
    config = dict(given or {'type': 'ActionDataPreprocessor', 'format_shape': 'NCTHW'})
    problems = []
    for name in ('mean', 'std'):
        right = [255 * value for value in getattr(arch, name)]
        own = config.setdefault(name, right)
        own = list(own) if isinstance(own, (list, tuple)) else [own]
        if len(own) != 3 or any(abs(a - b) > _ROUNDING for a, b in zip(own, right, strict=True)):
            problems.append(f'{name}={own}, but the foundation has {[round(v, 3) for v in right]}')
    if problems:
        raise FoundationError(
            f'model.data_preprocessor has {"; ".join(problems)}: scores would be wrong. Leave mean '
            "and std out of it (they are the foundation's), or say those that the weights were "
            'trained with as model.backbone.foundation.mean and std, on a 0..1 scale'
        )
    return config
