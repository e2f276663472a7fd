"""A frozen foundation model with adapters beside it."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..adapters import build_adapter
from ..foundation import (
    OPEN_FACTS,
    FoundationError,
    TextState,
    VideoLanguageModel,
    VideoState,
    build_foundation,
    describe_missing,
    load_foundation,
    said_by_config,
)
from ..spelling import did_you_mean
from .belonging import check_belongs, pack_facts
from .frozen_features import VideoFeatures, frozen_features, pass_known_block

# Texts that go through the text tower together: what bounds memory with 10,000 classes.
TEXTS_AT_ONCE = 1024


@MODELS.register_module()
class MSTABackbone(BaseModule):
    """Two frozen towers and what is trained beside them.

    The foundation starts from random weights; :meth:`init_weights` (called by the Runner before
    training, and by the tools before testing) reads its checkpoint. A state dict of this module
    holds what is trained, and what tells the foundation it was trained on; the frozen weights stay
    in their own file.

    Args:
        foundation: ``dict(type='ViCLIP' | 'CLIP' | 'PerceptionEncoder' | 'SigLIP', arch='b16' |
            ... | dict(...), checkpoint=path, token_embedding=path of a CLIP, for ViFi-CLIP)``.
            ``checkpoint=None`` keeps the random weights, for trials. Further keys say what the
            file does not, or change a field of ``arch``: ``activation``, ``heads``, ``mean``, ...
            (:data:`~projects.msta.foundation.OPEN_FACTS`).
        adapter: ``dict(type='MSTAAdapter', ...)``; None for the frozen model.
        recompute: activation checkpointing in the adapted blocks: less memory, more time.
    """

    def __init__(
        self,
        foundation: dict[str, Any],
        adapter: dict[str, Any] | None = None,
        recompute: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.foundation_cfg = dict(foundation)
        checkpoint = self.foundation_cfg.pop('checkpoint', None)
        self.checkpoint = None if checkpoint is None else os.path.normpath(checkpoint)
        self._token_embedding = self.foundation_cfg.pop('token_embedding', None)
        unknown = sorted(set(self.foundation_cfg) - {'type', 'arch', *OPEN_FACTS})
        if unknown or not {'type', 'arch'} <= set(self.foundation_cfg):
            keys = ['type', 'arch', 'checkpoint', 'token_embedding', *OPEN_FACTS]
            near = [f'{key!r} is not a key{did_you_mean(key, keys)}; ' for key in unknown[:1]]
            raise FoundationError(
                f'foundation={foundation!r}: {"".join(near)}its keys: type, arch, checkpoint '
                f'(optional), and what the file does not say: {", ".join(OPEN_FACTS)}'
            )
        self._said = said_by_config(self.foundation_cfg)
        self.adapter_cfg = dict(adapter) if adapter else None
        self.foundation = build_foundation(self.foundation_cfg)
        if set(self.foundation_cfg) != {'type', 'arch'}:  # what a checkpoint says of it, in full
            fields = asdict(self.foundation.arch)
            self.foundation_cfg = {'type': fields.pop('kind'), 'arch': fields}
        self.foundation.requires_grad_(False)
        self.foundation.visual.transformer.recompute = recompute
        self.foundation.text.transformer.recompute = recompute
        self.adapter = build_adapter(self.adapter_cfg, self.foundation)
        self.merged: VideoLanguageModel | None = None
        self._foundation_loaded = False
        self._fingerprint: str | None = None
        self._register_state_dict_hook(_drop_frozen)

    # ------------------------------------------------------------------ weights

    def init_weights(self) -> None:
        """Read the foundation's weights from ``checkpoint``, once."""
        if self._foundation_loaded:
            return
        if self.checkpoint is None:
            print_log(
                'the foundation model has RANDOM weights (model.backbone.foundation.checkpoint is '
                'None): results mean nothing',
                logger='current',
                level=30,
            )
        else:
            self._read_foundation(self.checkpoint)
        self._foundation_loaded = True

    def _read_foundation(self, path: str) -> None:
        kind, arch = self.foundation_cfg['type'], self.foundation_cfg['arch']
        try:
            loaded = load_foundation(path, self._token_embedding, **self._said)
        except FileNotFoundError as error:
            raise FileNotFoundError(describe_missing(path, kind, arch)) from error
        differences = self.foundation.arch.differences(loaded.arch)
        if differences:
            raise FoundationError(
                f'{path} is not the foundation that the config names ({kind} {arch}); config != '
                f'file: {"; ".join(differences)}. Change model.backbone.foundation'
            )
        self.foundation.load_state_dict(loaded.state_dict())
        self.foundation.tokenizer = loaded.tokenizer
        self.adapter.foundation_loaded(self.foundation)
        self._fingerprint = None
        print_log(f'foundation weights read from {path}', logger='current')

    def __deepcopy__(self, memo: dict[int, Any]) -> MSTABackbone:
        """Copy with the foundation's weights read: MMEngine's EMAHook copies a model before
        ``init_weights`` is called, and would average, validate and save random weights.
        """
        self.init_weights()
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return other

    @property
    def fingerprint(self) -> str:
        """A hash of the foundation that the adapters stand on."""
        if self._fingerprint is None:
            self._fingerprint = self.foundation.fingerprint()
        return self._fingerprint

    def num_parameters(self) -> tuple[int, int]:
        """Count the trainable parameters, and all of them."""
        sizes = [(p.numel(), p.requires_grad) for p in self.parameters()]
        return sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes)

    def get_extra_state(self) -> Tensor:
        """Give the facts that a checkpoint is checked against: JSON in bytes, safe to read."""
        return pack_facts(self)

    def set_extra_state(self, state: Tensor) -> None:
        """Do nothing: all of it was checked before any weight was touched."""

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args) -> None:
        self.init_weights()
        self.unmerge_adapter()
        check_belongs(self, state_dict, prefix)
        for key, value in self.foundation.state_dict(prefix=f'{prefix}foundation.').items():
            state_dict[key] = value  # the file leaves it out: it has not changed
        for name in self.adapter.shared:
            state_dict[f'{prefix}adapter.{name}'] = self.adapter.get_parameter(name)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    # ------------------------------------------------------------------ merging

    def merge_adapter(self) -> None:
        """Compute with the trained part written into the weights, until training or loading.

        For a method that changes weights (LoRA, BitFit, full fine-tuning); others raise
        ``AdapterError``. The foundation itself is not touched, nor what a checkpoint holds.
        ``merged`` is a plain model: ``save_foundation(backbone.merged, path)`` writes it.
        """
        self.merged = self.adapter.merged(self.foundation)

    def unmerge_adapter(self) -> None:
        """Compute with the adapter beside the foundation again."""
        self.merged = None

    def train(self, mode: bool = True) -> MSTABackbone:
        """Set training mode; merged weights would not follow a step, so they are dropped."""
        if mode:
            self.unmerge_adapter()
        return super().train(mode)

    # ------------------------------------------------------------------ computation

    def forward(self, video: Tensor) -> Tensor:
        """Do what :meth:`encode_video` does."""
        return self.encode_video(video)

    @torch.no_grad()
    def video_state(self, video: Tensor) -> VideoFeatures:
        """Take normalised clips through the part of the video tower that training cannot change.

        In full precision whatever runs around it, as :meth:`text_state`.
        """
        with torch.autocast(video.device.type, enabled=False):
            return frozen_features(self.foundation, self.adapter, video)

    def encode_video(self, video: Tensor | VideoState) -> Tensor:
        """Embed normalised clips ``(B, 3, T, H, W)`` or their :meth:`video_state`: ``(B, D)``, not
        normalised.
        """
        if self.merged is not None:
            return self.merged.encode_video(video)
        if isinstance(video, VideoFeatures):
            video = pass_known_block(self.foundation, self.adapter, video)
        return self.adapter.encode_video(self.foundation, video)

    @torch.no_grad()
    def text_state(self, tokens: Tensor) -> list[TextState]:
        """Take token ids ``(N, L)`` through the part of the text tower that training cannot change.

        In groups of :data:`TEXTS_AT_ONCE`, and in full precision whatever runs around it: it is
        computed once and used in every step.
        """
        first = self.adapter.first_text_block(self.foundation)
        groups = [TextState(part, part.argmax(-1), 0) for part in tokens.split(TEXTS_AT_ONCE)]
        with torch.autocast(tokens.device.type, enabled=False):
            return [self.foundation.text.advance(group, first) for group in groups]

    def encode_text(self, text: Tensor | Sequence[TextState]) -> Tensor:
        """Embed token ids ``(N, L)`` or their :meth:`text_state`: ``(N, D)``, not normalised."""
        groups = self.text_state(text) if isinstance(text, Tensor) else text
        if len(groups) == 1:
            return self._finish_text(groups[0])
        if torch.is_grad_enabled():  # activations of one group at a time
            done = [checkpoint(self._finish_text, part, use_reentrant=False) for part in groups]
        else:
            done = [self._finish_text(part) for part in groups]
        return torch.cat(done)

    def _finish_text(self, state: TextState) -> Tensor:
        if self.merged is not None:
            return self.merged.text.finish(state)
        return self.adapter.encode_text(self.foundation, state)

    @torch.no_grad()
    def encode_text_frozen(self, tokens: Tensor) -> Tensor:
        """Embed token ids ``(N, L)`` by the foundation alone, in full precision: ``(N, D)``."""
        with torch.autocast(tokens.device.type, enabled=False):
            parts = [self.foundation.encode_text(part) for part in tokens.split(TEXTS_AT_ONCE)]
        return torch.cat(parts)


def _drop_frozen(module: MSTABackbone, state: dict[str, Any], prefix: str, _: dict) -> None:
    """Leave out of a state dict what is frozen: it is in the foundation's own file."""
    shared = {f'{prefix}adapter.{name}' for name in module.adapter.shared}
    frozen = (f'{prefix}foundation.', f'{prefix}merged.')
    for key in [k for k in state if k.startswith(frozen) or k in shared]:
        del state[key]
