"""Class names to class embeddings, once a list."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import projects.msta.register  # noqa: F401

from ..descriptions import read_descriptions
from ..labels import make_prompts
from ..tokenizer import warn_of_prompts
from . import MSTARecognizer

_LISTS_KEPT = 16
_TEXTS_AT_ONCE = 512


class ClassEncoder:
    """Embeds texts by a recognizer's text tower, and keeps the class lists it was last asked for.

    Shapes: K classes, N texts, D joint width.
    """

    def __init__(self, model: MSTARecognizer) -> None:
        self._model = model
        self._kept: OrderedDict[tuple, Tensor] = OrderedDict()

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Texts -> ``(N, D)`` by the adapted text tower, not normalised."""
        backbone = self._model.backbone
        tokens = backbone.foundation.tokenize(texts).to(self._model.device)
        return torch.cat([backbone.encode_text(part) for part in tokens.split(_TEXTS_AT_ONCE)])

    @torch.inference_mode()
    def classes(
        self,
        names: Sequence[str],
        templates: Sequence[str],
        descriptions: str | Path | Sequence[str] | None = None,
        description_weight: float = 0.5,
    ) -> Tensor:
        """Class embeddings ``(K, D)``.

        One template's embeddings stay as they are; several are normalised and averaged, as CLIP
        does it. ``description_weight`` is the share of the descriptions in the mix.
        """
        if not 0 <= description_weight <= 1:
            raise ValueError(f'description_weight={description_weight} must lie in [0, 1]')
        key = (tuple(names), tuple(templates), str(descriptions), description_weight)
        if key not in self._kept:
            filled = [make_prompts(names, template) for template in templates]
            context = self._model.backbone.foundation.context_length
            for prompts in filled:
                warn_of_prompts(names, prompts, context)
            embeds = [self.texts(prompts) for prompts in filled]
            found = embeds[0]
            if len(embeds) > 1:
                found = torch.stack([F.normalize(e, dim=-1) for e in embeds]).mean(0)
            if descriptions is not None:
                described = description_weight * self._described(descriptions, names)
                found = (1 - description_weight) * F.normalize(found, dim=-1) + described
            self._kept[key] = found
            while len(self._kept) > _LISTS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _described(self, source: str | Path | Sequence[str], names: Sequence[str]) -> Tensor:
        """Mean embedding of a class's descriptions of both kinds, ``(K, D)``, of length 1."""
        backbone = self._model.backbone
        context = backbone.foundation.context_length
        read = read_descriptions(source, names, context)
        both = []
        for texts in (read.spatial, read.temporal):
            sizes = [len(of_class) for of_class in texts]
            tokens = backbone.foundation.tokenize([text for group in texts for text in group])
            embeds = backbone.encode_text_frozen(tokens.to(self._model.device))
            parts = F.normalize(embeds, dim=-1).split(sizes)
            both.append(torch.stack([part.mean(0) for part in parts]))
        return F.normalize(both[0] + both[1], dim=-1)
