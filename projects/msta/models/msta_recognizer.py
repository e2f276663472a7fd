"""The recognizer: videos and class names in, losses or scores out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS
from torch import Tensor, nn

from ..descriptions import DescriptionError, Descriptions, read_descriptions
from ..foundation import TextState, VideoState, tokenize
from ..labels import make_prompts, read_labels
from ..tokenizer import warn_of_prompts
from .class_cache import ClassCache
from .preprocessing import preprocessor_of


@MODELS.register_module()
class MSTARecognizer(BaseRecognizer):
    """Recognises any list of classes by comparing a video with their names.

    Shapes: B videos, V views a video, T frames, K classes, N descriptions a class, D joint width.

    Args:
        backbone: a :class:`MSTABackbone` config.
        cls_head: a :class:`ConsistencyHead` config.
        labels: class names, a file of them, or the name of a shipped list (``'kinetics400'``).
        template: prompt with one ``{}`` for the class name.
        descriptions: a description file, or the published pair (spatial, temporal); read when
            training starts. None trains without the consistency loss.
        num_descriptions: N, how many of each kind a class gets, the first of the file; all of
            them when None.
        humanize: turn underscores and CamelCase in class names into words.
        data_preprocessor: by default the ``ActionDataPreprocessor``; its pixel statistics are the
            foundation's.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        cls_head: dict[str, Any],
        labels: str | Sequence[str],
        template: str = 'a video of {}.',
        descriptions: str | Sequence[str] | None = None,
        num_descriptions: int | None = None,
        humanize: bool = False,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone, cls_head=cls_head, train_cfg=train_cfg, test_cfg=test_cfg
        )
        if isinstance(data_preprocessor, nn.Module):
            self.data_preprocessor: Any = data_preprocessor
        else:
            arch = self.backbone.foundation.arch
            self.data_preprocessor = MODELS.build(preprocessor_of(arch, data_preprocessor))
        self.template = template
        self.humanize = humanize
        self.descriptions = descriptions
        if num_descriptions is not None and num_descriptions < 1:
            raise DescriptionError(
                f'num_descriptions={num_descriptions} must be at least 1; for none at all set '
                'descriptions=None'
            )
        self.num_descriptions = num_descriptions
        self.set_labels(labels)

    # ------------------------------------------------------------------ classes

    def set_labels(self, labels: str | Sequence[str], template: str | None = None) -> None:
        """Recognise another list of classes from now on."""
        self.template = template or self.template
        self.labels = read_labels(labels, self.humanize)
        prompts = make_prompts(self.labels, self.template)
        context = self.backbone.foundation.context_length
        warn_of_prompts(self.labels, prompts, context)
        self._tokens = tokenize(prompts, context)
        self._state: list[TextState] | None = None
        self._state_made_on: tuple[torch.device, str] | None = None
        self._targets: dict[str, Tensor] | None = None
        self._cache = ClassCache()

    @property
    def device(self) -> torch.device:
        return self.backbone.foundation.logit_scale.device

    def _class_state(self) -> list[TextState]:
        """The prompts up to the first block that training changes: computed once a label list."""
        made_on = (self.device, self.backbone.fingerprint)
        if self._state is None or self._state_made_on != made_on:
            self._state = self.backbone.text_state(self._tokens.to(self.device))
            self._state_made_on = made_on
        return self._state

    def encode_classes(self) -> Tensor:
        """Class embeddings ``(K, D)``, not normalised; kept while no trained weight changes."""
        state = self._class_state()
        # What dropout made of them in training must not be kept for testing.
        if self.backbone.adapter.trains_text and (self.training or torch.is_grad_enabled()):
            return self.backbone.encode_text(state)
        trained = [p for p in self.backbone.parameters() if p.requires_grad]
        with torch.no_grad():
            return self._cache.get(
                [*(s.x for s in state), *trained], lambda: self.backbone.encode_text(state)
            )

    def init_weights(self) -> None:
        """Read the foundation's weights, and the descriptions the loss needs."""
        self.backbone.init_weights()
        self._targets = None
        self.cls_head.init_weights()
        if self.descriptions is not None and self.cls_head.alpha:
            self._description_texts = read_descriptions(
                self.descriptions, self.labels, self.backbone.foundation.context_length
            )
            self._check_number(self._description_texts)

    def _check_number(self, read: Descriptions) -> None:
        held = min(len(read.spatial[0]), len(read.temporal[0]))
        if self.num_descriptions is not None and self.num_descriptions > held:
            raise DescriptionError(
                f'{self.descriptions} holds {held} descriptions of a kind a class, '
                f'num_descriptions={self.num_descriptions} asks for more; lower it, or have more '
                'written (tools/gen_descriptions.py)'
            )

    def _consistency_targets(self) -> dict[str, Tensor] | None:
        """Mean embeddings ``(K, D)`` of each class's texts by the frozen text tower, once a run.

        As in CLIP's prompt ensembles each text's embedding is normalised before the mean.
        """
        if self.descriptions is None or not self.cls_head.alpha:
            return None
        if self._targets is None:
            read = self._description_texts
            texts = {
                'spatial': [of_class[: self.num_descriptions] for of_class in read.spatial],
                'temporal': [of_class[: self.num_descriptions] for of_class in read.temporal],
                'template': [[prompt] for prompt in make_prompts(self.labels, self.template)],
            }
            names = self.cls_head.targets
            self._targets = {name: self._mean_embedding(texts[name]) for name in names}
        return self._targets

    def _mean_embedding(self, texts: Sequence[Sequence[str]]) -> Tensor:
        context = self.backbone.foundation.context_length
        flat = [text for of_class in texts for text in of_class]
        tokens = tokenize(flat, context).to(self.device)
        embeds = F.normalize(self.backbone.encode_text_frozen(tokens), dim=-1)
        return embeds.unflatten(0, (len(texts), -1)).mean(1)

    # ------------------------------------------------------------------ MMAction2's interface

    def loss(self, inputs: Tensor | VideoState, data_samples: list, **kwargs) -> dict[str, Tensor]:
        """Losses of clips ``(B, V, C, T, H, W)``; each view of a video is a sample of its own.

        Clips may come as the state in which they enter the first adapted block, one view each.
        """
        views = inputs.shape[1] if isinstance(inputs, Tensor) else 1
        return super().loss(inputs, [s for s in data_samples for _ in range(views)], **kwargs)

    def extract_feat(
        self,
        inputs: Tensor | VideoState,
        stage: str = 'head',
        data_samples: list | None = None,
        test_mode: bool = False,
    ) -> tuple[Any, dict[str, Any]]:
        """Clips ``(B, V, C, T, H, W)`` -> what the head compares.

        ``stage='backbone'`` gives the video embeddings ``(B * V, D)`` alone.
        """
        clips = inputs.flatten(0, 1) if isinstance(inputs, Tensor) else inputs
        video = self.backbone.encode_video(clips)
        if stage == 'backbone':
            return video, {}
        feats = (video, self.encode_classes(), self.backbone.foundation.logit_scale)
        if test_mode or data_samples is None:
            return feats, {}
        return feats, {'targets': self._consistency_targets()}
