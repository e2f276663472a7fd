"""The recognizer: videos and class names in, losses or scores out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmaction.models.recognizers import BaseRecognizer
from mmaction.registry import MODELS
from torch import Tensor, nn

from ..descriptions import DescriptionError
from ..foundation import VideoState
from ..labels import DEFAULT_TEMPLATE, read_labels
from .classes import ClassEncoder, DescriptionTargets, Source
from .preprocessing import preprocessor_of
from .recipe import Recipe


@MODELS.register_module()
class MSTARecognizer(BaseRecognizer):
    """Recognises any list of classes by comparing a video with their names.

    Shapes: B videos, V views per video, T frames, K classes, N descriptions per class, D joint
    width.

    Args:
        backbone: a :class:`MSTABackbone` config.
        cls_head: a :class:`ConsistencyHead` config.
        labels: class names, a file of them, or the name of a shipped list (``'kinetics400'``).
            None: those that a checkpoint was trained on, once it is loaded.
        template: prompt with one ``{}`` for the class name, or several, whose embeddings are
            averaged. None: a checkpoint's, else ``'a video of {}.'``.
        descriptions: a description file, or the published pair (spatial, temporal); read when
            training starts. None trains without the consistency loss.
        num_descriptions: N, how many of each kind a class gets, the first of the file; all of
            them when None.
        humanize: turn underscores and CamelCase in class names into words.
        test_pipeline: the steps that turn a video into inputs, for checkpoints to carry.
        data_preprocessor: by default the ``ActionDataPreprocessor``; its pixel statistics are the
            foundation's.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        cls_head: dict[str, Any],
        labels: str | Sequence[str] | None,
        template: str | Sequence[str] | None = None,
        descriptions: str | Sequence[str] | None = None,
        num_descriptions: int | None = None,
        humanize: bool = False,
        test_pipeline: Sequence[Mapping[str, Any]] | None = None,
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
        if num_descriptions is not None and num_descriptions < 1:
            raise DescriptionError(
                f'num_descriptions={num_descriptions} must be at least 1; for none at all set '
                'descriptions=None'
            )
        self.humanize = humanize
        self.descriptions = descriptions
        self.num_descriptions = num_descriptions
        self.classes = ClassEncoder(self.backbone)
        self.test_pipeline = test_pipeline
        self._targets: DescriptionTargets | None = None
        self._template = template
        self._described_labels: list[str] = []
        if labels is not None:
            self.set_labels(labels)
            self._described_labels = self.classes.current.labels

    # ------------------------------------------------------------------ classes

    def set_labels(
        self,
        labels: str | Path | Sequence[str],
        template: str | Sequence[str] | None = None,
        descriptions: Source | None = None,
        description_weight: float = 0.5,
    ) -> None:
        """Recognise another list of classes from now on; the loss's targets follow it.

        Args:
            labels: class names, a file of them, or the name of a shipped list.
            template: one prompt with one ``{}``, or several; by default the model's.
            descriptions: a description file that has every one of the labels, also ones never
                trained on. Their embeddings by the frozen text tower are mixed into the classes'.
            description_weight: the share of the descriptions in the mix, 0..1.
        """
        chosen = template or self._template or DEFAULT_TEMPLATE
        templates = [chosen] if isinstance(chosen, str) else list(chosen)
        names = read_labels(labels, self.humanize)
        self.classes.choose(names, templates, descriptions, description_weight)

    @property
    def labels(self) -> list[str] | None:
        """The class names, by class index; None until a checkpoint says them."""
        return self.classes.current.labels if self.classes.chosen else None

    @property
    def templates(self) -> list[str]:
        """The prompts, each with one ``{}`` for the class name."""
        return self.classes.current.templates

    @property
    def device(self) -> torch.device:
        return self.backbone.foundation.logit_scale.device

    def encode_classes(self) -> Tensor:
        """Class embeddings ``(K, D)``, not normalised; kept while no trained weight changes."""
        # What dropout made of them in training must not be kept for testing.
        return self.classes.encode(anew=self.training or torch.is_grad_enabled())

    def init_weights(self) -> None:
        """Read the foundation's weights, and the descriptions the loss needs."""
        self.backbone.init_weights()
        head, foundation = self.cls_head, self.backbone.foundation
        if not head.is_init:  # a second call would be warned about
            head.init_weights()
        own = head.multi_class and foundation.arch.logit_bias and head.logit_scale is None
        if own and not head.bias_is_given:
            head.logit_bias = float(foundation.logit_bias)
        self._targets = None
        written = self.cls_head.needs_descriptions
        if self.cls_head.alpha and (self.descriptions is not None or not written):
            labels = self._described_labels or self.classes.current.labels
            self._targets = DescriptionTargets(
                self.descriptions if written else None,
                labels,
                self.classes,
                self.num_descriptions,
            )

    def _consistency_targets(self) -> dict[str, Tensor] | None:
        """What the head holds the classes to, ``(K, D)`` each; None where it is held to nothing."""
        return None if self._targets is None else self._targets.means(self.cls_head.targets)

    # ------------------------------------------------------------------ what a checkpoint carries

    def get_extra_state(self) -> Tensor:
        """Return the labels, templates and views that the model was trained for."""
        head, chosen = self.cls_head, self.classes
        recipe = Recipe(
            labels=self.labels,
            templates=self.templates if chosen.chosen else None,
            logit_scale=head.logit_scale,
            average_clips=head.average_clips,
            test_pipeline=self.test_pipeline,
            multi_class=head.multi_class,
            logit_bias=head.logit_bias,
            threshold=head.threshold,
        )
        return recipe.pack()

    def set_extra_state(self, state: Tensor) -> None:
        """Take what a checkpoint says where the config says nothing."""
        recipe = Recipe.unpack(state)
        if self._template is None and recipe.templates:
            self._template = recipe.templates
            if self.classes.chosen:
                self.classes.choose(self.classes.current.labels, recipe.templates)
        if not self.classes.chosen and recipe.labels:
            self.set_labels(recipe.labels)
            self._described_labels = recipe.labels
        self.test_pipeline = self.test_pipeline or recipe.test_pipeline
        head = self.cls_head
        if recipe.multi_class != head.multi_class:
            was = 'several labels' if recipe.multi_class else 'one label'
            warnings.warn(
                f'the adapters were trained for {was} per video, and cls_head.multi_class is '
                f'{head.multi_class}: their probabilities mean little until they are trained on',
                stacklevel=1,  # the caller is torch, whose line says nothing
            )
        elif recipe.multi_class:
            if not head.bias_is_given:
                head.logit_bias = recipe.logit_bias
            if head.threshold is None:
                head.threshold = recipe.threshold

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Checkpoints from before they carried it have none.
        state_dict.setdefault(f'{prefix}_extra_state', self.get_extra_state())
        super()._load_from_state_dict(state_dict, prefix, *args)

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
