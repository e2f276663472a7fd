"""The frozen video-language models: plain PyTorch, no OpenMMLab, no adapters, no data."""

from .architecture import Architecture, FoundationError
from .facts import OPEN_FACTS, said_by_config
from .load import load_foundation, save_foundation
from .model import VideoLanguageModel, build_foundation, tokenize
from .presets import resolve_architecture
from .text_tower import TextState
from .towers import VideoState
from .transformer import Sites, Taps, TokenLayout
from .weights import KNOWN_WEIGHTS, WeightInfo, describe_missing

__all__ = [
    'KNOWN_WEIGHTS', 'OPEN_FACTS', 'Architecture', 'FoundationError', 'Sites', 'Taps', 'TextState',
    'TokenLayout', 'VideoLanguageModel', 'VideoState', 'WeightInfo', 'build_foundation',
    'describe_missing', 'load_foundation', 'resolve_architecture', 'said_by_config',
    'save_foundation', 'tokenize',
]  # fmt: skip
