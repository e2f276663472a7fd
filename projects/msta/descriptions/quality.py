"""The quality gate: which answers become descriptions, and why the others do not."""

import re

from ..tokenizer import count_tokens
from .answer import AnswerError, bare_phrase, parse_answer
from .forms import KINDS, Demand, Kind

NEAR_DUPLICATE_OVERLAP = 0.8

_META = re.compile(
    r"\b(as an? (ai|artificial|language)|language model|i('m| am) (sorry|unable|happy|an ai)"
    r"|i (cannot|can't|can not|won't|apologi[sz]e)|cannot (assist|help|comply|provide)"
    r'|here (are|is) (the|some|your|two|a)\b|hope this helps|let me know|as requested'
    r'|(spatial|temporal) descriptions?\b|the output should|following format|lorem ipsum'
    r'|placeholder|json)'
    r'|^(sure|certainly|of course|absolutely|okay|ok|sorry)\b[!,.]?',
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r'\*\*|__|```|`|^#|\[[^\]]*\]\(|</?[a-z][^>]*>|https?://|[{}<>|\\]|&[a-z]+;|\.\.\.|…|\bn/a\b',
    re.IGNORECASE,
)


def _word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SENTENCE_BREAK = re.compile(r'\w{3,}[.!?]\s+\w')
# Words that are common in their language and no English words.
_FOREIGN = _word_set(
    'el los las una del por para con sobre que se sus y le les des une dans avec sur pour et au '
    'du est der die das und ein eine einen einem mit auf im den dem ist wird von zu il lo gli '
    'della di per che sono um uma os da em com não ao na een het van op hij zijn'
)
_ENGLISH = _word_set(
    'a an the of in on at to into onto from with by for and or is are their his her its over '
    'up down around against through toward towards while as under between across behind'
)
_LIGHT = _word_set('a an the of in on at to with and or by for from into onto is are video')


def judge(text: str, finish_reason: str | None, demand: Demand) -> dict[Kind, list[str]]:
    """Return the sentences an answer amounts to.

    Args:
        text: the raw answer.
        finish_reason: what the endpoint said ended it, see ``was_cut_off``.

    Raises:
        AnswerError: with every reason found, as the next request quotes them.
    """
    if was_cut_off(finish_reason):
        raise AnswerError(['the answer was cut off before its end: be brief'])
    if finish_reason == 'content_filter':
        raise AnswerError(["the endpoint's content filter removed the answer"])
    try:
        answer = parse_answer(text)
    except AnswerError:
        if _META.search(text[:300]):
            raise AnswerError(
                ['the answer was a refusal or talk instead of the JSON object']
            ) from None
        raise
    whole = demand.style == 'free'
    phrases: dict[Kind, list[str]] = {
        'spatial': [bare_phrase(phrase, whole) for phrase in answer.spatial],
        'temporal': [bare_phrase(phrase, whole) for phrase in answer.temporal],
    }
    reasons = _count_reasons(phrases, demand.num)
    for kind in KINDS:
        for number, phrase in enumerate(phrases[kind], 1):
            problem = _phrase_problem(phrase, kind, demand)
            if problem:
                reasons.append(f'{kind} description {number} ({phrase[:80]!r}) {problem}')
    reasons += _duplicate_reasons(phrases)
    if _is_foreign(' '.join(phrases['spatial'] + phrases['temporal'])):
        reasons.append('the descriptions are not in English')
    if reasons:
        raise AnswerError(reasons[:8])
    return {kind: [demand.sentence(kind, phrase) for phrase in phrases[kind]] for kind in KINDS}


def was_cut_off(finish_reason: str | None) -> bool:
    """Whether an answer ended at a limit of tokens, in the words of OpenAI, Mistral or Gemini."""
    return f'{finish_reason}'.lower() in ('length', 'max_tokens', 'model_length')


def similar(first: str, second: str) -> bool:
    """Whether two descriptions say nearly the same: whether they share most of their word stems.

    Letters are not compared: "lifting the left arm" and "lifting the right arm" are two steps.
    """
    stems = [_stems(first), _stems(second)]
    union = stems[0] | stems[1]
    if not union:
        return first.lower() == second.lower()
    return len(stems[0] & stems[1]) / len(union) >= NEAR_DUPLICATE_OVERLAP


def find_debris(phrase: str) -> str | None:
    """Return what makes a phrase something else than a description, if anything."""
    if _META.search(phrase):
        return 'talks about the task instead of describing'
    if _MARKUP.search(phrase):
        return 'holds markup or a placeholder'
    if _SENTENCE_BREAK.search(phrase):
        return 'is more than one sentence'
    if not phrase.isprintable():
        return 'holds characters that cannot be printed'
    return None


def _count_reasons(phrases: dict[Kind, list[str]], num: int) -> list[str]:
    return [
        f'there are {len(phrases[kind])} {kind} descriptions instead of {num}'
        for kind in KINDS
        if len(phrases[kind]) != num
    ]


def _phrase_problem(phrase: str, kind: Kind, demand: Demand) -> str | None:
    words = _words(phrase)
    if not phrase:
        return 'is empty'
    debris = find_debris(phrase)
    if debris:
        return debris
    letters = [character for character in phrase if character.isalpha()]
    if sum(character > '\u024f' for character in letters) * 10 > len(letters):
        return 'is not in English'
    if len(words) < 2:
        return 'is a single word'
    if set(words) - _LIGHT <= set(_words(demand.name)):
        return 'merely repeats the name of the class'
    tokens = count_tokens(demand.sentence(kind, phrase))
    if tokens > demand.context:
        return (
            f'is too long: {tokens} tokens with its sentence, {demand.context} at most; use at '
            f'most {max(2, demand.max_words(kind) - 1)} words'
        )
    return None


def _duplicate_reasons(phrases: dict[Kind, list[str]]) -> list[str]:
    listed = [
        (f'{kind} description {number}', phrase)
        for kind in KINDS
        for number, phrase in enumerate(phrases[kind], 1)
        if phrase
    ]
    return [
        f'{where} says the same as {earlier}'
        for index, (where, phrase) in enumerate(listed)
        for earlier, other in listed[:index]
        if similar(phrase, other)
    ]


def _is_foreign(text: str) -> bool:
    words = _words(text)
    foreign = sum(word in _FOREIGN for word in words)
    return foreign >= 3 and foreign > sum(word in _ENGLISH for word in words)


def _stems(text: str) -> frozenset[str]:
    words = _words(text)
    return frozenset(_stem(word) for word in words if word not in _LIGHT) or frozenset(words)


def _stem(word: str) -> str:
    """Return what "rope" and "ropes", "climbing" and "climbs" have in common, roughly."""
    if word.endswith('s') and not word.endswith('ss'):
        word = word[:-1]
    return word[:5]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())
