"""The part of a chat completion that matters here, read from its JSON body."""

from dataclasses import dataclass
from typing import Any

from projects.msta.descriptions.credentials import Credentials


@dataclass(frozen=True)
class Reply:
    """What came back for a request that succeeded."""

    content: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float


def read_reply(body: Any, credentials: Credentials, seconds: float = 0.0) -> Reply:
    """Read a response body; live ones and those in a batch's results have the same form.

    Raises:
        ValueError: something else than a chat completion, as gateways and proxies may send.
    """
    try:
        choice = body['choices'][0]
        message = choice['message']
        content = message.get('content') or message.get('refusal') or ''
        finish_reason = choice.get('finish_reason')
        usage = body.get('usage') or {}
        prompt_tokens = int(usage.get('prompt_tokens') or 0)
        completion_tokens = int(usage.get('completion_tokens') or 0)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        shown = body.get('error') if isinstance(body, dict) and body.get('error') else body
        text = ' '.join(str(shown).split())
        raise ValueError(credentials.redact(text)[:200]) from None
    if not isinstance(content, str):
        raise ValueError('its content is no text')
    content = credentials.redact(content)
    return Reply(content, finish_reason, prompt_tokens, completion_tokens, seconds)
