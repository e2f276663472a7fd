"""What an endpoint sent back: the answer in a chat completion, or why there is none."""

import json
from dataclasses import dataclass
from typing import Any

import openai

from .credentials import Credentials

_NO_CREDIT = ('insufficient_quota', 'billing_hard_limit_reached', 'insufficient_balance')


@dataclass(frozen=True)
class Reply:
    """What came back for a request that succeeded."""

    content: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float


def read_reply(body: Any, credentials: Credentials, seconds: float = 0.0) -> Reply:
    """Read a response body.

    Raises:
        ValueError: something else than a chat completion, as gateways and proxies may send.
    """
    try:
        choice = body['choices'][0]
        message = choice['message']
        content = _text(message.get('content')) or _text(message.get('refusal'))
        if not content.strip():
            reasoning = message.get('reasoning_content') or message.get('reasoning')
            content = _misfiled(_text(reasoning))
        finish_reason = choice.get('finish_reason')
        usage = body.get('usage') or {}
        prompt_tokens = int(usage.get('prompt_tokens') or 0)
        completion_tokens = int(usage.get('completion_tokens') or 0)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        shown = body.get('error') if isinstance(body, dict) and body.get('error') else body
        text = ' '.join(str(shown).split())
        raise ValueError(credentials.redact(text)[:200]) from None
    content = credentials.redact(content)
    return Reply(content, finish_reason, prompt_tokens, completion_tokens, seconds)


def _text(content: Any) -> str:
    """Return the text of a message: one string, or the text parts of a list (Mistral, Gemini).

    Raises:
        ValueError: a content of another kind.
    """
    if content is None or isinstance(content, str):
        return content or ''
    if not isinstance(content, list):
        raise ValueError('its content is not text')
    parts = (part if isinstance(part, str) else _part(part) for part in content)
    return ''.join(parts)


def _part(part: dict[str, Any]) -> str:
    # Parts of other types hold the reasoning ("thinking") or references.
    return (
        str(part.get('text') or '') if part.get('type', 'text') in ('text', 'output_text') else ''
    )


def _misfiled(reasoning: str) -> str:
    """Return reasoning that is an answer and nothing else; drafts among thoughts do not count.

    Servers with a parser for reasoning file the whole answer there when the model does not think.
    """
    try:
        answer = json.loads(reasoning)
    except ValueError:
        return ''
    return reasoning if isinstance(answer, dict) and {'spatial', 'temporal'} <= set(answer) else ''


def reason(error: openai.APIStatusError) -> str:
    """Return the endpoint's own words, from whatever body it sent."""
    found: Any = error.body
    for key in ('error', 'message', 'detail', 'msg'):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    text = found if isinstance(found, str) else json.dumps(found) if found else error.message
    return ' '.join(text.split())


def is_without_credit(body: Any) -> bool:
    """Return whether an error's body, or its text, says that the account has no credit left."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return False
        body = body.get('error', body) if isinstance(body, dict) else None
    return isinstance(body, dict) and (body.get('code') or body.get('type')) in _NO_CREDIT


def is_content_refusal(error: openai.APIStatusError) -> bool:
    """Return whether a content filter refused the prompt."""
    return 'content' in f'{error.code}'


def is_bad_model(error: openai.APIStatusError) -> bool:
    """Return whether the endpoint does not have the model."""
    return f'{error.code}' in ('model_not_found', 'invalid_model') or (
        error.status_code in (400, 422) and error.param == 'model'
    )
