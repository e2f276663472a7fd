"""What an endpoint sent back: the answer in a chat completion, or why there is none."""

import json
from dataclasses import dataclass
from typing import Any

import openai

from .credentials import Credentials

NO_CREDIT = ('insufficient_quota', 'billing_hard_limit_reached', 'insufficient_balance')

_TEXT_TYPES = ('text', 'output_text')


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
    """Return the text of a message: one string, or the text parts of a list (Mistral, Gemini)."""
    if not isinstance(content, list):
        return content or ''
    # Parts of other types hold the reasoning ("thinking") or references.
    texts = [part['text'] for part in content if part.get('type', 'text') in _TEXT_TYPES]
    return ''.join(texts)


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


def is_without_credit(text: str) -> bool:
    """Return whether an error's body says that the account has no credit left."""
    try:
        body = json.loads(text)
        error = body.get('error', body)
        return error.get('code') in NO_CREDIT or error.get('type') in NO_CREDIT
    except (ValueError, AttributeError):  # a page of a gateway, or another form
        return False


def is_bad_model(error: openai.APIStatusError) -> bool:
    """Return whether the endpoint does not have the model."""
    return f'{error.code}' in ('model_not_found', 'invalid_model') or (
        error.status_code in (400, 422) and error.param == 'model'
    )
