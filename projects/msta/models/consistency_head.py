"""Classification by cosine, kept general by descriptions (paper section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.models.heads import BaseHead
from mmaction.registry import MODELS
from mmengine.dist import all_reduce
from torch import Tensor

TARGETS = ('spatial', 'temporal', 'template')


@MODELS.register_module()
class ConsistencyHead(BaseHead):
    """Cross-entropy over scaled cosines plus ``alpha`` times the consistency loss.

    ``L_CC = mean over classes of sum over targets of (1 - cos(w^c, D^c))``; with the spatial and
    the temporal descriptions as targets this is the paper's
    ``2 - cos(w^c, D_s^c) - cos(w^c, D_t^c)``. Without descriptions the loss is the cross-entropy,
    unless the only target is the prompt. At test the softmax is averaged over the views of a video.

    With ``multi_class`` a video may show several classes: the loss is the binary cross-entropy of
    ``scale * cosine + logit_bias``, and the sigmoid takes the place of the softmax. A softmax does
    not see what all logits have in common, a sigmoid does: the scaled cosines of a CLIP-like model
    are all far above 0 (25 is usual), so without a bias every class would be certain. SigLIP was
    trained with one, which is taken. For other foundations it is computed from the first training
    batch, such that the mean logit there is the log-odds of a label (SigLIP begins likewise at
    -10, near the log-odds of a match); adapters learn the rest, and checkpoints carry it. Until it
    is known scores are scaled cosines: in the right order, but no probabilities.

    Args:
        alpha: weight of L_CC.
        logit_scale: multiplier on cosines; the foundation's own when None.
        targets: what the class embeddings are held to: any of ``'spatial'``, ``'temporal'`` (the
            mean embedding of a class's descriptions) and ``'template'`` (the frozen embedding of
            its prompt).
        topk: accuracies logged during training.
        average_clips: ``'prob'`` (the paper), ``'score'`` or None, as in ``BaseHead``.
        label_smooth_eps: share of a label that is spread over all classes, as in ``BaseHead``.
        multi_class: whether a video may have several labels, as in ``BaseHead``; the data set's
            ``multi_class`` must agree.
        logit_bias: added to scaled cosines with ``multi_class``; None as described above.
        threshold: the probability from which on a label is shown, with ``multi_class``; None: what
            a checkpoint says, else 0.5.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        logit_scale: float | None = None,
        targets: Sequence[str] = ('spatial', 'temporal'),
        topk: int | Sequence[int] = (1, 5),
        average_clips: str | None = 'prob',
        label_smooth_eps: float = 0.0,
        multi_class: bool = False,
        logit_bias: float | None = None,
        threshold: float | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # The class list is the recognizer's: any number of classes passes through this head.
        super().__init__(
            num_classes=0,
            in_channels=0,
            loss_cls=dict(type='BCELossWithLogits' if multi_class else 'CrossEntropyLoss'),
            multi_class=multi_class,
            label_smooth_eps=label_smooth_eps,
            topk=topk if isinstance(topk, int) else tuple(topk),
            average_clips=average_clips,
            init_cfg=init_cfg,
        )
        if alpha < 0:
            raise ValueError(f'ConsistencyHead: alpha={alpha} must not be negative')
        if not targets or set(targets) - set(TARGETS):
            raise ValueError(f'ConsistencyHead: targets={targets!r} must be of {TARGETS}')
        if logit_bias is not None and not multi_class:
            raise ValueError(
                f'ConsistencyHead: logit_bias={logit_bias} changes nothing in a softmax; set '
                'multi_class=True, or leave it out'
            )
        self.alpha = alpha
        self.logit_scale = logit_scale
        self.bias_is_given = logit_bias is not None
        # A buffer, NaN while unknown: moving averages copy it. What checkpoints carry is the
        # recognizer's to say.
        bias = torch.tensor(math.nan if logit_bias is None else logit_bias)
        self.register_buffer('bias', bias, persistent=False)
        self.threshold: float | None = None
        self.set_threshold(threshold)
        self.targets = tuple(targets)

    @property
    def logit_bias(self) -> float | None:
        """What is added to scaled cosines; None while it is not known."""
        bias = self.bias.item()
        return None if math.isnan(bias) else bias

    @logit_bias.setter
    def logit_bias(self, value: float | None) -> None:
        self.bias.fill_(math.nan if value is None else value)

    def set_threshold(self, threshold: float | None) -> None:
        """Show labels from this probability on; None: what is set already.

        Raises:
            ValueError: it is no probability, or the head gives a video one label.
        """
        if threshold is not None and not self.multi_class:
            raise ValueError(
                f'threshold={threshold}: this model gives a video one label; thresholds are for '
                'models of several labels per video (cls_head.multi_class=True)'
            )
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(f'threshold={threshold} must lie between 0 and 1')
        self.threshold = self.threshold if threshold is None else threshold

    def shown(self, scores: np.ndarray) -> list[int] | None:
        """Probabilities ``(K,)`` -> the classes that reach the threshold, best first.

        None for one label per video, and where scores are no probabilities.
        """
        if not self.multi_class or self.logit_bias is None or self.average_clips != 'prob':
            return None
        needed = 0.5 if self.threshold is None else self.threshold
        order = np.argsort(-scores, kind='stable').tolist()
        return [k for k in order if scores[k] >= needed]

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
            return scale * cosine + self.bias.nan_to_num() if self.multi_class else scale * cosine

    def cosines(self, logits: Tensor, foundation_scale: Tensor) -> Tensor:
        """Turn what :meth:`forward` gave back into cosines."""
        scale = foundation_scale if self.logit_scale is None else self.logit_scale
        return (logits - self.bias.nan_to_num()) / scale

    def average_clip(self, cls_scores: Tensor, num_segs: int = 1) -> Tensor:
        """Average the scores of views ``(B * V, K)``: ``(B, K)``; see ``average_clips``."""
        if not self.multi_class or self.average_clips != 'prob':
            return super().average_clip(cls_scores, num_segs)
        scores = cls_scores if self.logit_bias is None else cls_scores.sigmoid()
        return scores.unflatten(0, (-1, num_segs)).mean(1)

    @torch.no_grad()
    def _find_bias(self, logits: Tensor, labels: Tensor) -> None:
        """Set the bias by a batch (of all processes): the mean logit becomes a label's log-odds."""
        count = torch.full_like(logits[0, 0], labels.numel())
        sums = torch.stack([logits.sum(), labels.sum(), count])
        all_reduce(sums)
        # Half a label more of each kind: a batch without any has finite odds.
        odds = (sums[1] + 0.5) / (sums[2] - sums[1] + 0.5)
        self.logit_bias = float(odds.log() - sums[0] / sums[2])

    def loss(
        self,
        feats: tuple[Tensor, Tensor, Tensor],
        data_samples: list,
        targets: Mapping[str, Tensor] | None = None,
        **kwargs,
    ) -> dict[str, Tensor]:
        """Compute a batch's losses; ``targets``: embeddings of classes ``(K, D)`` by name."""
        self.num_classes = len(feats[1])
        if self.multi_class:
            losses = self._binary_loss(feats, data_samples)
        else:
            losses = super().loss(feats, data_samples, **kwargs)
        if targets and self.alpha:
            losses['loss_consistency'] = self.alpha * self.consistency(feats[1], targets)
        return losses

    def _binary_loss(
        self, feats: tuple[Tensor, Tensor, Tensor], data_samples: list
    ) -> dict[str, Tensor]:
        logits = self(feats)
        # BaseHead would squeeze the labels of a single class.
        labels = torch.stack([sample.gt_label for sample in data_samples]).to(logits)
        if labels.shape != logits.shape:
            raise ValueError(
                f'labels of shape {tuple(labels.shape)} for scores of {tuple(logits.shape)}: '
                'cls_head.multi_class=True needs a data set with multi_class=True'
            )
        if self.logit_bias is None:
            self._find_bias(logits, labels)
            logits = self(feats)
        return {'loss_cls': self.loss_cls(logits, labels)}

    def consistency(self, classes: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Compute L_CC of class embeddings ``(K, D)`` and their targets, each ``(K, D)``."""
        total = torch.zeros((), device=classes.device)
        for name in self.targets:
            total = total + (1 - F.cosine_similarity(classes.float(), targets[name].float())).mean()
        return total
