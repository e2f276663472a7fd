"""Sentence forms: how a phrase that the language model wrote becomes a description."""

from dataclasses import dataclass, replace
from typing import Literal

from ..labels import humanize_label
from ..tokenizer import count_tokens

MIN_PHRASE_TOKENS = 4
# About seven words: language models keep to fewer only by chance.
COMFORTABLE_TOKENS = 10

Kind = Literal['spatial', 'temporal']
KINDS: tuple[Kind, Kind] = ('spatial', 'temporal')


@dataclass(frozen=True)
class Style:
    """Two sentence forms: ``{name}`` is the class in words, ``{phrase}`` what is asked for."""

    spatial: str
    temporal: str

    def form(self, kind: Kind) -> str:
        """Return the sentence form of one kind."""
        return self.spatial if kind == 'spatial' else self.temporal


STYLES = {
    # The form of the authors' published files.
    'published': Style(
        spatial='A video about {phrase}.',
        temporal='A video of {name} generally involves the following step: {phrase}, '
        'which is a sub-step.',
    ),
    # For models with a short context and long class names: 32 tokens hold every SSv2 class.
    'short': Style(spatial='A video about {phrase}.', temporal='A video of {name}: {phrase}.'),
    # Whole sentences of the language model's own.
    'free': Style(spatial='{phrase}.', temporal='{phrase}.'),
}


@dataclass(frozen=True)
class Demand:
    """What is asked for one class.

    Attributes:
        label: the class name as in the label list.
        num: how many descriptions of each kind.
        style: a key of ``STYLES``.
        context: the token budget of a sentence, start and end tokens included.
    """

    label: str
    num: int
    style: str
    context: int

    @property
    def name(self) -> str:
        """The class name in words, in lower case as in the published files."""
        return humanize_label(self.label).lower()

    def sentence(self, kind: Kind, phrase: str) -> str:
        """Return the description that a phrase amounts to."""
        form = STYLES[self.style].form(kind)
        if form.startswith('{phrase}'):
            phrase = phrase[:1].upper() + phrase[1:]
        # Not str.format: a name or a phrase may hold braces.
        before, after = form.split('{phrase}')
        return before.replace('{name}', self.name) + phrase + after.replace('{name}', self.name)

    def phrase_budget(self, kind: Kind) -> int:
        """Return how many tokens the form and the class name leave for the phrase."""
        return self.context - (count_tokens(self.sentence(kind, 'x')) - 1)

    @property
    def has_room(self) -> bool:
        """Whether form and name leave room for any phrase at all."""
        return all(self.phrase_budget(kind) >= MIN_PHRASE_TOKENS for kind in KINDS)

    @property
    def is_cramped(self) -> bool:
        """Whether form and name leave so little room that most phrases are too long."""
        return any(self.phrase_budget(kind) < COMFORTABLE_TOKENS for kind in KINDS)

    def shorter(self) -> 'Demand | None':
        """Return the same demand in the short form, if it is in the published one."""
        return replace(self, style='short') if self.style == 'published' else None

    def max_words(self, kind: Kind) -> int:
        """Return a word limit that keeps ordinary phrases within the budget."""
        comfortable = 18 if self.style == 'free' else 12
        return max(2, min(comfortable, int(self.phrase_budget(kind) / 1.3)))
