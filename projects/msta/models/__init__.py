"""The MMAction2 components: recognizer, adapter backbone and consistency head."""

from .. import compat

compat.apply()  # before anything of OpenMMLab is imported

from .belonging import CheckpointError  # noqa: E402
from .consistency_head import ConsistencyHead  # noqa: E402
from .msta_backbone import MSTABackbone  # noqa: E402
from .msta_recognizer import MSTARecognizer  # noqa: E402

__all__ = ['CheckpointError', 'ConsistencyHead', 'MSTABackbone', 'MSTARecognizer']
