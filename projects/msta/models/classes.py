"""Class names to class embeddings: the one owner, for training, testing, inference and export."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..descriptions import DescriptionError, Descriptions, read_descriptions
from ..descriptions.file import warn_over_context
from ..foundation import TextState
from ..labels import make_prompts
from ..tokenizer import warn_of_prompts
from .msta_backbone import MSTABackbone

Source = str | Path | Sequence[str]

# Label lists whose embeddings are kept, for a user who changes to and fro.
_LISTS_KEPT = 16


@dataclass
class ClassList:
    """One list of classes as it was asked for, and what has been computed for it."""

    labels: list[str]
    templates: list[str]
    prompts: list[list[str]]
    descriptions: Descriptions | None
    description_weight: float
    source: Source | None = None
    checked: bool = False
    states: list[list[TextState]] | None = None
    states_made_on: tuple[object, ...] = ()
    value: Tensor | None = None
    value_made_on: tuple[object, ...] = ()
    seen: list[Tensor] = field(default_factory=list)


class ClassEncoder:
    """Embeds class names by a backbone's text tower, and keeps what cannot have changed.

    With one template a class is the embedding of its prompt; those of several are normalised and
    averaged, as CLIP does it. Descriptions, if given, are mixed in by their weight.

    Shapes: K classes, N texts, L tokens, D joint width.
    """

    def __init__(self, backbone: MSTABackbone) -> None:
        self._backbone = backbone
        self._lists: OrderedDict[tuple, ClassList] = OrderedDict()
        self._current: ClassList | None = None

    # ------------------------------------------------------------------ which classes

    @property
    def context_length(self) -> int:
        """L, the most tokens of a text that the tower reads."""
        return self._backbone.foundation.context_length

    @property
    def chosen(self) -> bool:
        """Whether there is a list to embed."""
        return self._current is not None

    @property
    def current(self) -> ClassList:
        """The list that :meth:`choose` was given last."""
        if self._current is None:
            raise ValueError('no labels: give the class names, a file of them, or a shipped list')
        return self._current

    def choose(
        self,
        labels: Sequence[str],
        templates: Sequence[str],
        descriptions: Source | None = None,
        description_weight: float = 0.5,
    ) -> None:
        """Embed these classes from now on; prompts that the text model cannot tell apart are named.

        ``description_weight`` is the share of the descriptions in the mix, 0..1.
        """
        if not 0 <= description_weight <= 1:
            raise ValueError(f'description_weight={description_weight} must lie in [0, 1]')
        key = (tuple(labels), tuple(templates), str(descriptions), description_weight)
        if key not in self._lists:
            prompts = [make_prompts(labels, template) for template in templates]
            read = None if descriptions is None else read_descriptions(descriptions, labels)
            self._lists[key] = ClassList(
                list(labels), list(templates), prompts, read, description_weight, descriptions
            )
            self._check(self._lists[key])
            while len(self._lists) > _LISTS_KEPT:
                self._lists.popitem(last=False)
        self._lists.move_to_end(key)
        if self._current is not None and self._current is not self._lists[key]:
            self._current.states = None  # large, and quickly made again
        self._current = self._lists[key]

    def _check(self, chosen: ClassList) -> None:
        """Warn once of what the text model sees in part, or as the same; a tokenizer that comes
        with the weights is not there before them.
        """
        foundation = self._backbone.foundation
        if chosen.checked or not foundation.can_tokenize:
            return
        chosen.checked = True
        for prompts in chosen.prompts:
            warn_of_prompts(chosen.labels, prompts, self.context_length, foundation.token_ids)
        if chosen.descriptions is not None and chosen.source is not None:
            self.check_descriptions(chosen.descriptions, chosen.source)

    def check_descriptions(self, read: Descriptions, source: Source) -> bool:
        """Warn of long sentences; False where no tokenizer is there yet to count them."""
        foundation = self._backbone.foundation
        if foundation.can_tokenize:
            warn_over_context(
                read, self.context_length, source, lambda text: len(foundation.token_ids(text))
            )
        return foundation.can_tokenize

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Texts -> token ids ``(N, L)``."""
        return self._backbone.foundation.tokenize(texts)

    # ------------------------------------------------------------------ their embeddings

    def encode(self, anew: bool) -> Tensor:
        """Class embeddings ``(K, D)`` by the adapted text tower.

        Computed ``anew`` where a gradient or dropout is wanted; otherwise kept for as long as every
        trained weight holds the values that they were made from. Values are compared, not version
        counters: some writers (MMEngine's EMA hook among them) change ``parameter.data`` behind
        PyTorch's back. Adapters are small, so this costs about a millisecond.
        """
        chosen, backbone = self.current, self._backbone
        if anew and backbone.adapter.trains_text:
            return self._compute(chosen)
        weights = [p.detach() for p in backbone.parameters() if p.requires_grad]
        device = self._device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        made_on = (self._device, backbone.fingerprint, backbone.merged, dtype)
        if chosen.value_made_on != made_on or not _same(weights, chosen.seen):
            # Not an inference tensor: the same model may be trained afterwards.
            with torch.inference_mode(False), torch.no_grad():
                chosen.value = self._compute(chosen)
                chosen.seen = [weight.clone() for weight in weights]
            chosen.value_made_on = made_on
        assert chosen.value is not None
        return chosen.value

    def states(self) -> list[list[TextState]]:
        """Return the prompts of each template up to the first block that training changes."""
        chosen, made_on = self.current, (self._device, self._backbone.fingerprint)
        if chosen.states is None or chosen.states_made_on != made_on:
            self._check(chosen)
            with torch.inference_mode(False):
                chosen.states = [
                    self._backbone.text_state(self.tokenize(of_template).to(self._device))
                    for of_template in chosen.prompts
                ]
            chosen.states_made_on = made_on
        return chosen.states

    def _compute(self, chosen: ClassList) -> Tensor:
        embeds = [self._backbone.encode_text(state) for state in self.states()]
        found = embeds[0]
        if len(embeds) > 1:
            found = torch.stack([F.normalize(e, dim=-1) for e in embeds]).mean(0)
        if chosen.descriptions is not None:
            read, weight = chosen.descriptions, chosen.description_weight
            both = self.mean_embedding(read.spatial) + self.mean_embedding(read.temporal)
            found = (1 - weight) * F.normalize(found, dim=-1) + weight * F.normalize(both, dim=-1)
        return found

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Any texts, as they are -> ``(N, D)`` by the adapted text tower, not normalised."""
        return self._backbone.encode_text(self.tokenize(texts).to(self._device))

    @torch.no_grad()
    def frozen_texts(self, texts: Sequence[str]) -> Tensor:
        """Any texts, as they are -> ``(N, D)`` by the frozen text tower, not normalised."""
        return self._backbone.encode_text_frozen(self.tokenize(texts).to(self._device))

    def mean_embedding(self, texts: Sequence[Sequence[str]]) -> Tensor:
        """Return the mean embedding of each class's texts by the frozen text tower, ``(K, D)``.

        As in CLIP's prompt ensembles each text's embedding is normalised before the mean.
        """
        flat = [text for of_class in texts for text in of_class]
        embeds = F.normalize(self.frozen_texts(flat), dim=-1)
        parts = embeds.split([len(of_class) for of_class in texts])
        return torch.stack([part.mean(0) for part in parts])

    @property
    def _device(self) -> torch.device:
        return self._backbone.foundation.logit_scale.device


def _same(current: Sequence[Tensor], seen: Sequence[Tensor]) -> bool:
    return len(current) == len(seen) and all(
        a.device == b.device and torch.equal(a, b) for a, b in zip(current, seen, strict=True)
    )


class DescriptionTargets:
    """What the consistency loss holds the classes to: texts by class name, their means by list.

    Args:
        source: a description file, or the published pair, whose entries go by the position of a
            class in ``labels``; None where nothing but the prompts is asked for.
        labels: the classes that the source was chosen for.
        encoder: embeds the texts, and says which classes are current.
        number: N, how many of each kind a class gets, the first of the file; all when None.

    Raises:
        DescriptionError: the source cannot be read, lacks a class, or holds fewer than ``number``.
    """

    def __init__(
        self,
        source: Source | None,
        labels: Sequence[str],
        encoder: ClassEncoder,
        number: int | None,
    ) -> None:
        self._encoder, self._number, self._checked = encoder, number, False
        self._source: Source = source or ()
        self._read = self._read_for(labels) if source else None
        self._made_for: ClassList | None = None
        self._made: dict[str, Tensor] = {}

    def means(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Mean embeddings ``(K, D)`` for the current classes: of any of ``'spatial'``,
        ``'temporal'`` and ``'template'`` (their prompts), once per class list.
        """
        chosen = self._encoder.current
        if self._made_for is not chosen or set(names) - set(self._made):
            prompts = [make_prompts(chosen.labels, template) for template in chosen.templates]
            texts = {'template': [list(of_class) for of_class in zip(*prompts, strict=True)]}
            if set(names) - set(texts):
                read = self._select(chosen.labels)
                self._checked = self._checked or self._encoder.check_descriptions(
                    read, self._source
                )
                texts['spatial'] = [of_class[: self._number] for of_class in read.spatial]
                texts['temporal'] = [of_class[: self._number] for of_class in read.temporal]
            self._made = {name: self._encoder.mean_embedding(texts[name]) for name in names}
            self._made_for = chosen
        return self._made

    def _select(self, labels: Sequence[str]) -> Descriptions:
        """The texts of ``labels``, by their names."""
        assert self._read is not None, 'the head asks for descriptions that were not given'
        known = {name: row for row, name in enumerate(self._read.names)}
        missing = [name for name in labels if name not in known]
        if missing and isinstance(self._source, (str, Path)):
            self._read = self._read_for(labels)
            return self._read
        if missing:
            raise DescriptionError(
                f'{self._source} go by the position of a class in a list of {len(known)} that '
                f'lacks {missing[0]!r} ({len(missing)} of {len(labels)} labels): the consistency '
                'loss has no texts for it; build the model with these labels and their own '
                'descriptions'
            )
        return self._read.select([known[name] for name in labels])

    def _read_for(self, labels: Sequence[str]) -> Descriptions:
        read = read_descriptions(self._source, labels)
        self._checked = self._encoder.check_descriptions(read, self._source)
        held = min(len(read.spatial[0]), len(read.temporal[0]))
        if self._number is not None and self._number > held:
            raise DescriptionError(
                f'{self._source} holds {held} descriptions of each kind per class, '
                f'num_descriptions={self._number} asks for more; lower it, or have more '
                'written (tools/gen_descriptions.py)'
            )
        return read
