"""The face for Python users. Importing it loads no torch; its members do when they are used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..datasets.readers import read_frames
    from ..datasets.shapes.folder import make_shapes
    from ..descriptions import read_descriptions
    from ..foundation import load_foundation
    from ..inference.inferencer import MSTAInferencer
    from ..inference.long_videos import analyse
    from ..inference.rejection import Rejection
    from ..inference.results import VideoResult
    from ..own_videos.adapt import adapt
    from ..training.launch import test, train

_MEMBERS = {
    'MSTAInferencer': 'inference.inferencer',
    'Rejection': 'inference.rejection',
    'VideoResult': 'inference.results',
    'adapt': 'own_videos.adapt',
    'analyse': 'inference.long_videos',
    'load_foundation': 'foundation',
    'make_shapes': 'datasets.shapes.folder',
    'read_descriptions': 'descriptions',
    'read_frames': 'datasets.readers',
    'test': 'training.launch',
    'train': 'training.launch',
}
__all__ = ['MSTAInferencer', 'Rejection', 'VideoResult', 'adapt', 'analyse']
__all__ += ['load_foundation', 'make_shapes', 'read_descriptions', 'read_frames', 'test', 'train']


def __getattr__(name: str) -> Any:
    if name not in _MEMBERS:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'..{_MEMBERS[name]}', __name__), name)
