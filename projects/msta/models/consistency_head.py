"""Classification by cosine, kept general by descriptions (paper section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmaction.models.heads import BaseHead
from mmaction.registry import MODELS
from torch import Tensor

TARGETS = ('spatial', 'temporal', 'template')


@MODELS.register_module()
class ConsistencyHead(BaseHead):
    """Cross-entropy over scaled cosines plus ``alpha`` times the consistency loss.

    ``L_CC = mean over classes of sum over targets of (1 - cos(w^c, D^c))``; with the spatial and
    the temporal descriptions as targets this is the paper's
    ``2 - cos(w^c, D_s^c) - cos(w^c, D_t^c)``. Without descriptions the loss is the cross-entropy,
    unless the only target is the prompt. At test the softmax is averaged over the views of a video.

    Args:
        alpha: weight of L_CC.
        logit_scale: multiplier on cosines; the foundation's own when None.
        targets: what the class embeddings are held to: any of ``'spatial'``, ``'temporal'`` (the
            mean embedding of a class's descriptions) and ``'template'`` (the frozen embedding of
            its prompt).
        topk: accuracies logged during training.
        average_clips: ``'prob'`` (the paper), ``'score'`` or None, as in ``BaseHead``.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        logit_scale: float | None = None,
        targets: Sequence[str] = ('spatial', 'temporal'),
        topk: int | Sequence[int] = (1, 5),
        average_clips: str | None = 'prob',
        init_cfg: dict | None = None,
    ) -> None:
        # The class list is the recognizer's: any number of classes passes through this head.
        super().__init__(
            num_classes=0,
            in_channels=0,
            topk=topk if isinstance(topk, int) else tuple(topk),
            average_clips=average_clips,
            init_cfg=init_cfg,
        )
        if alpha < 0:
            raise ValueError(f'ConsistencyHead: alpha={alpha} must not be negative')
        if not targets or set(targets) - set(TARGETS):
            raise ValueError(f'ConsistencyHead: targets={targets!r} must be of {TARGETS}')
        self.alpha = alpha
        self.logit_scale = logit_scale
        self.targets = tuple(targets)

    @property
    def needs_descriptions(self) -> bool:
        """Whether a target is made from descriptions, not from the prompts alone."""
        return set(self.targets) != {'template'}

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Score videos ``(B, D)`` by classes ``(K, D)`` and a logit scale: ``(B, K)``."""
        video, classes, foundation_scale = feats
        # In float32 whatever the towers ran in: at a scale of 100, bfloat16 would round to 0.25.
        with torch.autocast(video.device.type, enabled=False):
            cosine = F.normalize(video.float(), dim=-1) @ F.normalize(classes.float(), dim=-1).T
            scale = foundation_scale if self.logit_scale is None else self.logit_scale
            return scale * cosine

    def loss(
        self,
        feats: tuple[Tensor, Tensor, Tensor],
        data_samples: list,
        targets: Mapping[str, Tensor] | None = None,
        **kwargs,
    ) -> dict[str, Tensor]:
        """Compute a batch's losses; ``targets``: embeddings of classes ``(K, D)`` by name."""
        self.num_classes = len(feats[1])
        losses = super().loss(feats, data_samples, **kwargs)
        if targets and self.alpha:
            losses['loss_consistency'] = self.alpha * self.consistency(feats[1], targets)
        return losses

    def consistency(self, classes: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Compute L_CC of class embeddings ``(K, D)`` and their targets, each ``(K, D)``."""
        total = torch.zeros((), device=classes.device)
        for name in self.targets:
            total = total + (1 - F.cosine_similarity(classes.float(), targets[name].float())).mean()
        return total
