"""Training the foundation's own weights without losing them: towers that share what is frozen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from ..foundation import TextState, VideoLanguageModel, VideoState
from ..foundation.towers import TextTower
from .base import FoundationAdapter, check_towers

Module = TypeVar('Module', bound=nn.Module)
_ATTRIBUTES = {'video': 'visual', 'text': 'text'}


def copy_sharing(module: Module, own: Callable[[str], bool]) -> Module:
    """Copy ``module``: own the parameters whose name ``own`` picks, share the rest.

    A shared parameter is the same object in both: it is stored once, moves with either.
    """
    shared = {id(p): p for name, p in module.named_parameters() if not own(name)}
    return copy.deepcopy(module, dict(shared))


def with_weights(
    foundation: VideoLanguageModel, weights: Mapping[str, Tensor]
) -> VideoLanguageModel:
    """Copy ``foundation`` with some weights replaced, by name; the others are shared with it."""
    model = copy_sharing(foundation, lambda name: name in weights)
    with torch.no_grad():
        for name, value in weights.items():
            model.get_parameter(name).copy_(value)
    return model


class WeightTuning(FoundationAdapter):
    """Training of the foundation's weights, in copies of its towers that share all other weights.

    The foundation keeps what it was loaded with, as the origin that a checkpoint is checked
    against and the frozen text branch of the consistency loss.

    Args:
        towers: which towers are trained.
        trained: picks parameters by their name within a tower (``'transformer.blocks.0...'``).
    """

    def __init__(
        self,
        foundation: VideoLanguageModel,
        towers: Sequence[str],
        trained: Callable[[str], bool],
    ) -> None:
        super().__init__(foundation)
        check_towers(towers)
        self.towers = nn.ModuleDict()
        shared = set()
        for tower in towers:
            self.towers[tower] = copy_sharing(getattr(foundation, _ATTRIBUTES[tower]), trained)
            for name, parameter in self.towers[tower].named_parameters():
                if trained(name):
                    parameter.requires_grad_(True)
                else:
                    shared.add(f'towers.{tower}.{name}')
        self.shared = frozenset(shared)

    @torch.no_grad()
    def foundation_loaded(self, foundation: VideoLanguageModel) -> None:
        """Start from the foundation's weights."""
        for tower, module in self.towers.items():
            module.load_state_dict(getattr(foundation, _ATTRIBUTES[tower]).state_dict())

    def first_video_block(self, foundation: VideoLanguageModel) -> int:
        """Give 0: a norm before the first block is trained too."""
        return 0 if 'video' in self.towers else super().first_video_block(foundation)

    @property
    def trains_text(self) -> bool:
        return 'text' in self.towers

    def encode_video(self, foundation: VideoLanguageModel, video: Tensor | VideoState) -> Tensor:
        return self._tower('video', foundation)(video)

    def encode_text(self, foundation: VideoLanguageModel, state: TextState) -> Tensor:
        return cast(TextTower, self._tower('text', foundation)).finish(state)

    def _tower(self, name: str, foundation: VideoLanguageModel) -> nn.Module:
        own = name in self.towers
        return self.towers[name] if own else getattr(foundation, _ATTRIBUTES[name])

    def merged(self, foundation: VideoLanguageModel) -> VideoLanguageModel:
        weights = {
            f'{_ATTRIBUTES[tower]}.{name}': parameter.detach()
            for tower, module in self.towers.items()
            for name, parameter in module.named_parameters()
            if f'towers.{tower}.{name}' not in self.shared
        }
        return with_weights(foundation, weights)
