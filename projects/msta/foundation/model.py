"""The two-tower video-language model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..tokenizer import encode_whole
from ..tokenizer import tokenize as tokenize_ids
from .architecture import Architecture, FoundationError
from .presets import resolve_architecture
from .text_tower import TextTower
from .tokenizer_file import FileTokenizer
from .towers import Adapters, VideoState, VideoTower


class VideoLanguageModel(nn.Module):
    """A video tower, a text tower, and what turns their cosines into scores."""

    logit_scale: Tensor
    logit_bias: Tensor

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        self.visual = VideoTower(arch)
        self.text = TextTower(arch)
        # What came with the weights; CLIP's own needs no file.
        self.tokenizer: FileTokenizer | None = None
        self.register_buffer('logit_scale', torch.tensor(100.0))
        if arch.logit_bias:
            self.register_buffer('logit_bias', torch.tensor(-10.0))

    @property
    def context_length(self) -> int:
        return self.arch.context_length

    @property
    def mean(self) -> tuple[float, float, float]:
        """Pixel mean on a 0..1 scale."""
        return self.arch.mean

    @property
    def std(self) -> tuple[float, float, float]:
        """Pixel standard deviation on a 0..1 scale."""
        return self.arch.std

    def encode_video(self, video: Tensor | VideoState, adapters: Adapters | None = None) -> Tensor:
        """Normalised clips ``(B, 3, T, H, W)`` -> ``(B, D)``, not normalised."""
        return self.visual(video, adapters)

    def encode_text(self, tokens: Tensor, adapters: Adapters | None = None) -> Tensor:
        """Token ids ``(N, L)`` -> ``(N, D)``, not normalised."""
        return self.text(tokens, adapters)

    def tokenize(self, texts: str | Sequence[str]) -> Tensor:
        """Texts -> the ids that :meth:`encode_text` takes, int64 ``(N, context_length)``.

        Raises:
            FoundationError: the tokenizer comes with weights that have not been read.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if self.arch.tokenizer == 'clip':
            return tokenize(texts, self.context_length)
        if self.tokenizer is None:
            raise FoundationError(
                f'the tokenizer of this model ({self.arch.tokenizer}) comes with its weights, '
                'which have not been read: load_foundation(path), or '
                'model.backbone.foundation.checkpoint and init_weights()'
            )
        return self.tokenizer(texts)

    @property
    def can_tokenize(self) -> bool:
        """False where the tokenizer comes with weights that have not been read."""
        return self.arch.tokenizer == 'clip' or self.tokenizer is not None

    def token_ids(self, text: str) -> list[int]:
        """All ids of a text, not cut, with those that begin and end it."""
        return encode_whole(text) if self.tokenizer is None else self.tokenizer.encode_whole(text)

    def match_probability(self, cosine: Tensor) -> Tensor:
        """Cosines -> the probability that video and text belong together, each pair for itself.

        ``sigmoid(logit_scale * cosine + logit_bias)``, what SigLIP was trained for: for labels that
        do not exclude each other, and for none of them.

        Raises:
            FoundationError: the model was trained by softmax, which says nothing of a single pair.
        """
        if not self.arch.logit_bias:
            raise FoundationError(
                f'a {self.arch.kind} has no logit_bias: it was trained to rank texts, so its '
                'cosines say nothing of a single pair; SigLIP has one'
            )
        return torch.sigmoid(self.logit_scale * cosine + self.logit_bias)

    def fingerprint(self, *, signed_zeros: bool = False) -> str:
        """A hash of the architecture and of every weight: which foundation adapters belong to."""
        digest = hashlib.blake2b(self.arch.identity().encode(), digest_size=16)
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            values = tensor.detach().float().cpu()
            # A moving average turns -0.0 into 0.0, as adding 0.0 does; nothing else changes by it.
            values = values if signed_zeros else values + 0.0
            digest.update(values.contiguous().numpy().data)
        if self.tokenizer is not None:
            digest.update(self.tokenizer.digest.encode())
        return digest.hexdigest()

    def has_fingerprint(self, *given: str) -> bool:
        """Whether each of these hashes is this model's; earlier versions hashed signs of zeros."""
        return set(given) <= {self.fingerprint(), self.fingerprint(signed_zeros=True)}


def build_foundation(cfg: dict[str, Any]) -> VideoLanguageModel:
    """Return a model with random weights from ``dict(type='ViCLIP', arch='b16')``.

    ``arch`` is a preset's name or a dict of :class:`Architecture` fields; other keys change fields.
    """
    changes = {key: value for key, value in cfg.items() if key not in ('type', 'arch')}
    return VideoLanguageModel(resolve_architecture(cfg['type'], cfg['arch'], **changes))


def tokenize(texts: str | list[str], context_length: int = 77) -> Tensor:
    """Texts -> CLIP token ids, int64 ``(N, context_length)``, zero-padded.

    Longer texts are cut and end in the end-of-text id.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    ids = tokenize_ids(texts, context_length)
    return torch.tensor(ids, dtype=torch.int64).view(len(texts), context_length)
