"""What is trained beside the frozen foundation, one file per method. Plain PyTorch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..foundation import VideoLanguageModel
from ..spelling import did_you_mean
from .adaptformer import AdaptFormer
from .base import AdapterError, FoundationAdapter
from .bitfit import BitFit
from .coop import CoOp
from .full import FullFineTuning
from .linear_probe import LinearProbe
from .lora import LoRA
from .mma import MMA
from .msta import MSTAAdapter
from .st_adapter import STAdapter

_METHODS = (
    MSTAAdapter,
    AdaptFormer,
    BitFit,
    CoOp,
    FullFineTuning,
    LinearProbe,
    LoRA,
    MMA,
    STAdapter,
)
ADAPTERS: dict[str, Callable[..., FoundationAdapter]] = {m.__name__: m for m in _METHODS}

__all__ = [
    'ADAPTERS',
    'MMA',
    'AdaptFormer',
    'AdapterError',
    'BitFit',
    'CoOp',
    'FoundationAdapter',
    'FullFineTuning',
    'LinearProbe',
    'LoRA',
    'MSTAAdapter',
    'STAdapter',
    'all_options',
    'build_adapter',
]


def build_adapter(cfg: dict[str, Any] | None, foundation: VideoLanguageModel) -> FoundationAdapter:
    """Build an adapter for ``foundation`` from ``dict(type='MSTAAdapter', ...)``.

    ``None`` gives the empty adapter: the frozen foundation as it is.
    """
    if cfg is None:
        return FoundationAdapter(foundation)
    kind, options = _checked(cfg)
    return ADAPTERS[kind](foundation, **options)


def all_options(cfg: dict[str, Any] | None) -> dict[str, Any]:
    """Give the options of ``dict(type='MSTAAdapter', ...)`` with the defaults filled in."""
    if cfg is None:
        return {}
    kind, options = _checked(cfg)
    defaults = list(inspect.signature(ADAPTERS[kind]).parameters.values())[1:]
    filled = {p.name: p.default for p in defaults if p.default is not p.empty}
    return {'type': kind, **filled, **options}


def _checked(cfg: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split a config into a known type and options that it takes."""
    options = dict(cfg)
    kind = options.pop('type', None)
    if kind not in ADAPTERS:
        raise AdapterError(
            f'adapter type {kind!r} is not known{did_you_mean(kind, ADAPTERS)}; known are '
            f'{sorted(ADAPTERS)}'
        )
    signature = inspect.signature(ADAPTERS[kind])
    known = list(signature.parameters)[1:]
    try:
        for name in options:
            if name not in known:
                hint = did_you_mean(name, known) or f'; it takes {", ".join(known)}'
                raise TypeError(f'takes no {name!r}{hint}')
        signature.bind(None, **options)
    except TypeError as error:
        raise AdapterError(
            f'adapter {kind}: {error} (to change the type of a config that has options of another, '
            'give the new one _delete_=True)'
        ) from error
    return kind, options
