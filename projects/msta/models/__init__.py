"""The MMAction2 components: recognizer, adapter backbone and consistency head."""

from .belonging import CheckpointError
from .consistency_head import ConsistencyHead
from .msta_backbone import MSTABackbone
from .msta_recognizer import MSTARecognizer

__all__ = ['CheckpointError', 'ConsistencyHead', 'MSTABackbone', 'MSTARecognizer']
