"""The MMAction2 components: recognizer, adapter backbone and consistency head."""

from .consistency_head import ConsistencyHead
from .msta_backbone import CheckpointError, MSTABackbone
from .msta_recognizer import MSTARecognizer

__all__ = ['CheckpointError', 'ConsistencyHead', 'MSTABackbone', 'MSTARecognizer']
