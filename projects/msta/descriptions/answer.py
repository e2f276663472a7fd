"""From what a language model wrote to two lists of bare phrases."""

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

# Reasoning that servers leave in the answer, in the marks of different models: <think>, [THINK],
# ◁think▷, <|START_THINKING|>. A draft among it is not the answer.
_MARK = (
    r'(?:<\|?|\[|◁){slash}(?:seed:)?(?:start_|end_)?'
    r'(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)(?:\|?>|\]|▷)'
)
_OPENING = re.compile(_MARK.format(slash='(?!end_|/)'), re.IGNORECASE)
_CLOSING = re.compile(_MARK.format(slash='(?:/|(?=end_))'), re.IGNORECASE)
# gpt-oss' form: channels, of which only the last one, "final", is the answer.
_CHANNEL = re.compile(r'<\|channel\|>\s*(\w+)[^<]*<\|message\|>')
_DRAFTED = re.compile(r'\{\s*"(?:spatial|temporal)"')
_ENUMERATION = re.compile(
    r'^(?:[-*•]\s+|\(?\d{1,2}[.):]\s+|(?:sub-)?step\s*\d{1,2}\s*[:.)-]\s*)', re.IGNORECASE
)
_FORM_START = re.compile(
    r'^an?\s+video\s+(?:about|(?:of|showing)\s+.{1,120}?\s+(?:generally\s+)?involves\s+'
    r'the\s+following\s+step\s*:)\s*',
    re.IGNORECASE,
)
_BRACKETED = re.compile(r'[(\[]([^()\[\]]*)[)\]]')
_FORM_END = re.compile(r',?\s*which\s+is\s+a\s+sub-?step\s*$', re.IGNORECASE)
_QUOTES = '"\'`\u2018\u2019\u201c\u201d'  # straight and typographic


class AnswerError(Exception):
    """An answer that cannot be used, with the reasons in words the language model can act on."""

    def __init__(self, reasons: list[str]):
        super().__init__('; '.join(reasons))
        self.reasons = reasons


class Answer(BaseModel):
    """The two lists an answer must hold; anything beside them is ignored."""

    model_config = ConfigDict(extra='ignore', strict=True)

    spatial: list[str]
    temporal: list[str]


def parse_answer(text: str) -> Answer:
    """Find the JSON object in an answer, whatever surrounds it.

    Raises:
        AnswerError: no such object, or lists that are missing or hold something else than texts.
    """
    if not text.strip():
        raise AnswerError(['the answer was empty'])
    answer = without_reasoning(text).strip()
    if not answer:
        raise AnswerError(['the answer was reasoning alone, with no JSON object after its end'])
    data = _find_object(answer)
    if data is None:
        raise AnswerError(
            ['the answer holds no complete JSON object with "spatial" and "temporal"']
        )
    try:
        return Answer.model_validate(data)
    except ValidationError as error:
        details = error.errors()[:6]
        reasons = [f'{_place(*detail["loc"])}: {detail["msg"]}' for detail in details]
        raise AnswerError(reasons) from None


def without_reasoning(text: str) -> str:
    """Return what follows the reasoning; nothing if the reasoning has no end."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        text = text[channels[-1].end() :] if channels[-1][1].lower() == 'final' else ''
    ends = list(_CLOSING.finditer(text))
    text = text[ends[-1].end() :] if ends else text
    return '' if _OPENING.search(text) else text


def bare_phrase(text: str, whole_sentence: bool = False) -> str:
    """Strip what models put around a phrase though asked not to: numbers, quotes, the form itself.

    Nothing inside the phrase is changed, except that runs of white space become one space.
    """
    text = ' '.join(text.split())
    text = _ENUMERATION.sub('', text).strip(_QUOTES + ' ')
    if not whole_sentence:
        text = _FORM_START.sub('', text).rstrip('. ')
        text = _FORM_END.sub('', text)
    text = text.strip(_QUOTES + ' ').rstrip('. ')
    return match[1].strip() if (match := _BRACKETED.fullmatch(text)) else text


def _find_object(text: str) -> Any:
    """Return the last JSON object with either key: models tend to correct themselves.

    None if a later one was begun and is not whole: then the earlier one was a draft.
    """
    decoder = json.JSONDecoder()
    found, position = None, text.find('{')
    while position >= 0:
        try:
            data, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
            if _DRAFTED.match(text, position):
                found = None
        else:
            if isinstance(data, dict) and {'spatial', 'temporal'} & set(data):
                found = data
        position = text.find('{', end)
    return found


def _place(kind: str | int, *position: str | int) -> str:
    return f'{kind}[{position[0]}]' if position else str(kind)
