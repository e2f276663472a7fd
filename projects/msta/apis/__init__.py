"""What a Python user calls. Importing this package loads no torch; its members do when used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..inference.inferencer import MSTAInferencer
    from ..inference.rejection import Rejection
    from ..inference.results import VideoResult

_MEMBERS = {
    'MSTAInferencer': 'inference.inferencer',
    'Rejection': 'inference.rejection',
    'VideoResult': 'inference.results',
}

__all__ = ['MSTAInferencer', 'Rejection', 'VideoResult']


def __getattr__(name: str) -> Any:
    if name not in _MEMBERS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'..{_MEMBERS[name]}', __name__), name)
