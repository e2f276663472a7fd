"""What is trained beside the frozen foundation, one file a method. Plain PyTorch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..foundation import VideoLanguageModel
from .base import AdapterError, FoundationAdapter
from .msta import MSTAAdapter

ADAPTERS: dict[str, Callable[..., FoundationAdapter]] = {'MSTAAdapter': MSTAAdapter}

__all__ = ['ADAPTERS', 'AdapterError', 'FoundationAdapter', 'MSTAAdapter', 'build_adapter']


def build_adapter(cfg: dict[str, Any] | None, foundation: VideoLanguageModel) -> FoundationAdapter:
    """An adapter for ``foundation`` from ``dict(type='MSTAAdapter', ...)``.

    ``None`` gives the empty adapter: the frozen foundation as it is.
    """
    if cfg is None:
        return FoundationAdapter(foundation)
    options = dict(cfg)
    kind = options.pop('type', None)
    if kind not in ADAPTERS:
        raise AdapterError(f'adapter type {kind!r} is not known; known are {sorted(ADAPTERS)}')
    try:
        inspect.signature(ADAPTERS[kind]).bind(foundation, **options)
    except TypeError as error:
        raise AdapterError(f'adapter {kind}: {error}') from error
    return ADAPTERS[kind](foundation, **options)
