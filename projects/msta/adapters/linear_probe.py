"""Linear probe of the frozen video embeddings."""

from __future__ import annotations

from torch import Tensor, nn

from ..foundation import VideoLanguageModel, VideoState
from ..foundation.transformer import in_float32
from .base import FoundationAdapter


class LinearProbe(FoundationAdapter):
    """A trained linear map ``(D, D)`` of the frozen video embeddings, before the cosine.

    A usual probe has a weight vector per class, ``v . u_c``. Here these are tied to the
    class names, ``u_c = M^T w^c`` with the frozen class embedding ``w^c`` (of length 1): what is
    trained is ``M`` alone, so that labels stay free and novel classes have scores. ``M`` starts as
    the identity, which is the zero-shot model.
    """

    def __init__(self, foundation: VideoLanguageModel) -> None:
        super().__init__(foundation)
        width = foundation.arch.embed_dim
        self.map = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.map.weight)

    def encode_video(self, foundation: VideoLanguageModel, video: Tensor | VideoState) -> Tensor:
        return in_float32(self.map, foundation.encode_video(video))
