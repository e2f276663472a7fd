"""What is in a description file: problems that forbid its use, and figures worth a look."""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ..labels import humanize_label
from ..tokenizer import count_tokens
from .file import over_context
from .forms import STYLES, Kind
from .quality import find_debris, similar
from .schema import Descriptions, find_problems

Row = tuple[str, list[str]]
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
    rows = _rows(descriptions)
    return Findings(
        problems=find_problems(descriptions),
        notes={
            f'sentences over {context} tokens (the model sees only their beginning)': [
                f'{name!r}: {tokens} tokens: {text}'
                for name, text, tokens in over_context(descriptions, context)
            ],
            'sentences that are not descriptions': [
                f'{label!r}: {text!r} {problem}'
                for label, phrases in rows
                for text in phrases
                if (problem := find_debris(text))
            ],
            'near-duplicates within a class': [
                f'{label!r}: {first!r} and {second!r}'
                for label, phrases in rows
                for first, second in combinations(phrases, 2)
                if similar(first, second)
            ],
            'sentences that several classes share': _shared(rows),
            'classes whose descriptions mention another class': _mentions(rows),
        },
        figures=[
            f'classes: {len(descriptions.names)}',
            *_figures('spatial', descriptions.spatial),
            *_figures('temporal', descriptions.temporal),
        ],
    )


def _figures(kind: Kind, entries: Sequence[list[str]]) -> list[str]:
    texts = [text for row in entries for text in row]
    per_class = Counter(len(row) for row in entries)
    spread = ', '.join(f'{num} in {times} classes' for num, times in sorted(per_class.items()))
    lines = [f'{kind}: {len(texts)} sentences ({spread})']
    if texts:
        lines.append(f'    words  {_range([len(text.split()) for text in texts])}')
        lines.append(f'    tokens {_range([count_tokens(text) for text in texts])}')
    return lines


def _range(values: Sequence[int]) -> str:
    middle, mean = statistics.median_high(values), statistics.mean(values)
    return f'min {min(values)}, median {middle}, mean {mean:.1f}, max {max(values)}'


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


def _rows(descriptions: Descriptions) -> list[Row]:
    """Return each class with all its phrases."""
    columns = zip(descriptions.names, descriptions.spatial, descriptions.temporal, strict=True)
    return [
        (label, [phrase(text, _name(label)) for text in [*spatial, *temporal]])
        for label, spatial, temporal in columns
    ]


def _name(label: str) -> str:
    return humanize_label(label).lower()


def _shared(rows: Sequence[Row]) -> list[str]:
    owners: dict[str, dict[str, None]] = {}
    for label, phrases in rows:
        for text in phrases:
            owners.setdefault(text.lower(), {})[label] = None
    return [
        f'{text!r}: {", ".join(map(repr, list(labels)[:4]))}{" ..." if len(labels) > 4 else ""}'
        for text, labels in sorted(owners.items(), key=lambda item: (-len(item[1]), item[0]))
        if len(labels) > 1
    ]


def _mentions(rows: Sequence[Row]) -> list[str]:
    """Return the phrases that hold another class's full name, of two words or more.

    One-word names ("run", "pour") are ordinary words of any description, so they do not count;
    nor do names that are part of the class's own name.
    """
    names = {label: _name(label) for label, _ in rows}
    telling = [name for name in names.values() if len(name.split()) > 1]
    if not telling:
        return []
    alternatives = '|'.join(re.escape(name) for name in sorted(telling, key=len, reverse=True))
    # A look-ahead finds names that overlap, too.
    pattern = re.compile(rf'(?<!\w)(?=({alternatives})(?!\w))')
    return [
        f'{label!r} mentions {other!r}: {text}'
        for label, phrases in rows
        for text in phrases
        for other in dict.fromkeys(pattern.findall(text.lower()))
        if other not in names[label]
    ]
