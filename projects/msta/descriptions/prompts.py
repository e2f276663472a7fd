"""What the language model is asked. Any change here changes a prompt's hash, and so the answers."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from string import Template
from typing import Any

from .forms import STYLES, Demand
from .subject import Subject

PROMPT_VERSION = '1'

# First $fields of the subject are filled in, then {fields} of the class.
SYSTEM = (
    'You write short visual descriptions of $about. A video-language model compares them '
    'with videos to tell $nouns apart, so only what a camera can see is of use: $visible. '
    'You answer in English with one JSON object and nothing else.'
)

USER = """\
$Noun: "{name}"

Write exactly {num} spatial and exactly {num} temporal descriptions of this $noun, as the JSON \
object {{"spatial": [{num} strings], "temporal": [{num} strings]}}.

spatial: what one still frame of the $noun shows. Each is {spatial_what} about one aspect: \
$aspects. Put what is most typical of this $noun first. {spatial_form}
temporal: $course. Each is {temporal_what} that says what moves and how. {temporal_form}

Rules:
- At most {spatial_words} words for a spatial and {temporal_words} for a temporal description{case}.
- Concrete and specific: a description that fits many $nouns, such as $vague, is of no use.
- Only what can be seen: no $unseen.
- Do not merely repeat or rephrase the name of the $noun, and say nothing twice, neither within a \
list nor across the two.
{hints}
For another $noun, "$example", and two of each, a good answer is:
{example}"""

OPEN_OBJECT = """\
- "something" in the name stands for any everyday object: name none, describe $instead instead.
"""

CONTRAST = """\
- The same data set has the $nouns {others}. Choose what tells "{name}" from them, and name none \
of them.
"""

CORRECTION = """\
That answer cannot be used:
{reasons}
Answer again with the whole JSON object: exactly {num} spatial and exactly {num} temporal \
descriptions, corrected, and nothing else."""

_STOP_WORDS = (
    'a an the of in on at to into onto from with without by for and or not is it its so that '
    'something one up down off out over some other person using doing'
)
_MIN_KINSHIP = 0.2


def answer_schema(num: int) -> dict[str, Any]:
    """Return the JSON schema of an answer with ``num`` descriptions of each kind."""
    texts = {'type': 'array', 'items': {'type': 'string'}, 'minItems': num, 'maxItems': num}
    return {
        'type': 'object',
        'properties': {'spatial': texts, 'temporal': texts},
        'required': ['spatial', 'temporal'],
        'additionalProperties': False,
    }


class Prompts:
    """The prompts about one subject.

    Attributes:
        subject: what the classes are classes of.
        hash: changes with every word of the prompts.
    """

    def __init__(self, subject: Subject):
        self.subject = subject
        self._system, self._user, self._open_object, self._contrast = (
            Template(text).substitute(subject.words())
            for text in (SYSTEM, USER, OPEN_OBJECT, CONTRAST)
        )
        self._phrases = subject.phrases.model_dump()
        self._sentences = subject.sentences.model_dump()

    @cached_property
    def hash(self) -> str:
        parts: list[Any] = [self._system, self._user, self._open_object, self._contrast, CORRECTION]
        parts += [self._phrases, self._sentences, answer_schema(2)]
        parts += [{key: [style.spatial, style.temporal] for key, style in STYLES.items()}]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def messages(self, demand: Demand, others: Sequence[str] = ()) -> list[dict[str, str]]:
        """Return the messages that ask for one class; ``others`` are names it must differ from."""
        free = demand.style == 'free'
        hints = self._open_object.format() if 'something' in demand.name else ''
        if others:
            quoted = ', '.join(f'"{other}"' for other in others)
            hints += self._contrast.format(others=quoted, name=demand.name)
        style = STYLES[demand.style]
        user = self._user.format(
            name=demand.name,
            num=demand.num,
            spatial_what='a complete sentence' if free else 'a noun phrase',
            temporal_what='a complete sentence' if free else 'a phrase with an "-ing" verb',
            spatial_form='' if free else _form_hint(style.spatial, demand.name),
            temporal_form='' if free else _form_hint(style.temporal, demand.name),
            spatial_words=demand.max_words('spatial'),
            temporal_words=demand.max_words('temporal'),
            case='' if free else ', in lower case and without a full stop',
            hints=hints,
            example=json.dumps(self._sentences if free else self._phrases),
        )
        system = self._system.format()
        return [{'role': 'system', 'content': system}, {'role': 'user', 'content': user}]


def build_correction(
    messages: Sequence[dict[str, str]], answer: str, reasons: Sequence[str], num: int
) -> list[dict[str, str]]:
    """Return the messages that ask again after an answer was turned down for ``reasons``."""
    lines = '\n'.join(f'- {reason}' for reason in reasons)
    return [
        *messages,
        # Some endpoints refuse an empty turn of the assistant; a long ramble does not help either.
        {'role': 'assistant', 'content': answer[:4000] or '(no answer)'},
        {'role': 'user', 'content': CORRECTION.format(reasons=lines, num=num)},
    ]


def nearest_names(names: Sequence[str], count: int) -> list[list[str]]:
    """Return for each class name up to ``count`` others that share its telling words.

    A shared word counts the more, the fewer classes have it: "playing" makes no two classes of
    Kinetics alike, "guitar" does.
    """
    words = [_content_words(name) for name in names]
    frequency = Counter(word for own in words for word in own)
    weight = {word: math.log(1 + len(names) / times) for word, times in frequency.items()}

    def kinship(own: frozenset[str], other: frozenset[str]) -> float:
        # fsum, as a plain sum's last bits depend on the order, and a set's on the process.
        shared = math.fsum(weight[word] for word in own & other)
        return shared / math.fsum(weight[word] for word in own | other) if shared else 0.0

    owners: dict[str, list[int]] = {}
    for at, own in enumerate(words):
        for word in own:
            owners.setdefault(word, []).append(at)
    nearest = []
    for index, own in enumerate(words):
        sharing = {at for word in own for at in owners[word]} - {index}
        scored = [(-kinship(own, words[at]), at) for at in sharing]
        close = sorted(entry for entry in scored if entry[0] <= -_MIN_KINSHIP)
        nearest.append([names[at] for _, at in close[:count]])
    return nearest


def _content_words(name: str) -> frozenset[str]:
    # Five letters stand for the stem: "juggling balls" and "juggle ball" share both words.
    found = re.findall(r"[a-z']+", name.lower())
    return frozenset(word[:5] for word in found if word not in _STOP_WORDS.split())


def _form_hint(form: str, name: str) -> str:
    return 'It completes: "{}"'.format(form.replace('{name}', name).replace('{phrase}', '...'))
