"""From what a language model wrote to two lists of bare phrases."""

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_THINKING = re.compile(r'<(think|thinking|reasoning)>.*?</\1>', re.DOTALL | re.IGNORECASE)
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
    text = _THINKING.sub('', text).strip()
    if not text:
        raise AnswerError(['the answer was empty'])
    data = _find_object(text)
    if data is None:
        raise AnswerError(
            ['the answer holds no complete JSON object with "spatial" and "temporal"']
        )
    try:
        return Answer.model_validate(data)
    except ValidationError as error:
        reasons = [f'{_place(detail["loc"])}: {detail["msg"]}' for detail in error.errors()[:6]]
        raise AnswerError(reasons) from None


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
    """Return the last JSON object with either key: models tend to correct themselves."""
    decoder = json.JSONDecoder()
    found, position = None, text.find('{')
    while position >= 0:
        try:
            data, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            if isinstance(data, dict) and {'spatial', 'temporal'} & set(data):
                found = data
        position = text.find('{', end)
    return found


def _place(location: tuple[int | str, ...]) -> str:
    kind, *rest = location
    return f'{kind}[{rest[0]}]' if rest else str(kind)
