"""What is in a description file: problems that forbid its use, and figures worth a look."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ..labels import humanize_label
from ..tokenizer import count_tokens
from .file import over_context
from .forms import KINDS, STYLES, Kind
from .quality import find_debris, similar
from .schema import Descriptions, find_problems

_SHOWN = 8
_PUBLISHED = re.compile(
    r'A video about (.*)\.'
    r'|A videos? of .*? generally involves the following step: (.*), which is a sub-step\.',
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Findings:
    """The outcome of a check.

    Attributes:
        problems: what makes the file unusable; empty for a usable one.
        notes: what weakens it: one heading and its cases each.
        figures: lines of statistics.
    """

    problems: list[str]
    notes: dict[str, list[str]]
    figures: list[str]

    def lines(self, everything: bool = False) -> list[str]:
        """Return the report, long lists shortened unless ``everything`` is asked for."""
        lines = list(self.figures)
        for heading, cases in self.notes.items():
            shown = cases if everything else cases[:_SHOWN]
            lines.append(f'{heading}: {len(cases)}')
            lines += [f'    {case}' for case in shown]
            if len(shown) < len(cases):
                lines.append(f'    ... and {len(cases) - len(shown)} more (--all shows them)')
        if self.problems:
            lines.append(f'UNUSABLE, {len(self.problems)} problems:')
            lines += [f'    {problem}' for problem in self.problems]
        else:
            lines.append('usable: every class has the same number of non-empty descriptions')
        return lines


def examine(descriptions: Descriptions, context: int) -> Findings:
    """Check descriptions and gather their statistics, for a text context of that many tokens."""
    return Findings(
        problems=find_problems(descriptions),
        notes={
            f'sentences over {context} tokens (the model sees only their beginning)': [
                f'{name!r}: {tokens} tokens: {text}'
                for name, text, tokens in over_context(descriptions, context)
            ],
            'sentences that are not descriptions': _debris(descriptions),
            'near-duplicates within a class': _duplicates_within(descriptions),
            'sentences that several classes share': _shared(descriptions),
            'classes whose descriptions mention another class': _mentions(descriptions),
        },
        figures=[f'classes: {len(descriptions.names)}']
        + [line for kind in KINDS for line in _figures(kind, column(descriptions, kind))],
    )


def column(descriptions: Descriptions, kind: Kind) -> list[list[str]]:
    return descriptions.spatial if kind == 'spatial' else descriptions.temporal


def _figures(kind: Kind, entries: Sequence[list[str]]) -> list[str]:
    texts = [text for row in entries for text in row]
    per_class = Counter(len(row) for row in entries)
    spread = ', '.join(f'{num} in {times} classes' for num, times in sorted(per_class.items()))
    lines = [f'{kind}: {len(texts)} sentences ({spread})']
    if texts:
        words = sorted(len(text.split()) for text in texts)
        tokens = sorted(count_tokens(text) for text in texts)
        lines += [f'    words  {_range(words)}', f'    tokens {_range(tokens)}']
    return lines


def _range(values: Sequence[int]) -> str:
    """Return the extent of sorted values."""
    mean = sum(values) / len(values)
    middle = values[len(values) // 2]
    return f'min {values[0]}, median {middle}, mean {mean:.1f}, max {values[-1]}'


def phrase(text: str, name: str) -> str:
    """Return a sentence without the parts that the sentence forms give every description.

    The class may be worded differently in the published form ("assembling a computer" for
    "assembling computer"), so there any name counts.
    """
    if match := _PUBLISHED.fullmatch(text):
        return match[1] or match[2]
    start, end = STYLES['short'].temporal.replace('{name}', name).split('{phrase}')
    if text.lower().startswith(start.lower()) and text.endswith(end):
        return text[len(start) : len(text) - len(end)]
    return text


def _rows(descriptions: Descriptions) -> list[tuple[str, list[str]]]:
    """Return each class with all its phrases."""
    return [
        (label, [phrase(text, _name(label)) for text in [*spatial, *temporal]])
        for label, spatial, temporal in zip(
            descriptions.names, descriptions.spatial, descriptions.temporal, strict=True
        )
    ]


def _name(label: str) -> str:
    return humanize_label(label).lower()


def _debris(descriptions: Descriptions) -> list[str]:
    return [
        f'{label!r}: {text!r} {problem}'
        for label, phrases in _rows(descriptions)
        for text in phrases
        if (problem := find_debris(text))
    ]


def _duplicates_within(descriptions: Descriptions) -> list[str]:
    return [
        f'{label!r}: {first!r} and {second!r}'
        for label, phrases in _rows(descriptions)
        for first, second in combinations(phrases, 2)
        if similar(first, second)
    ]


def _shared(descriptions: Descriptions) -> list[str]:
    owners: dict[str, list[str]] = {}
    for label, phrases in _rows(descriptions):
        for text in phrases:
            labels = owners.setdefault(text.lower(), [])
            if label not in labels:
                labels.append(label)
    return [
        f'{text!r}: {", ".join(map(repr, labels[:4]))}{" ..." if len(labels) > 4 else ""}'
        for text, labels in sorted(owners.items(), key=lambda item: (-len(item[1]), item[0]))
        if len(labels) > 1
    ]


def _mentions(descriptions: Descriptions) -> list[str]:
    """Return the phrases that hold another class's full name, of two words or more.

    One-word names ("run", "pour") are ordinary words of any description, so they do not count;
    nor do names that are part of the class's own name.
    """
    names = {label: _name(label) for label in descriptions.names}
    telling = [name for name in names.values() if len(name.split()) > 1]
    if not telling:
        return []
    alternatives = '|'.join(re.escape(name) for name in sorted(telling, key=len, reverse=True))
    # A look-ahead finds names that overlap, too.
    pattern = re.compile(rf'(?<!\w)(?=({alternatives})(?!\w))')
    return [
        f'{label!r} mentions {other!r}: {text}'
        for label, phrases in _rows(descriptions)
        for text in phrases
        for other in dict.fromkeys(pattern.findall(text.lower()))
        if other not in names[label]
    ]
