"""What an OpenAI-compatible endpoint accepts, found out once from what it refuses."""

from dataclasses import asdict, dataclass, replace
from typing import Any

MODES = ('json_schema', 'json_object', 'text')
LIMITS = ('max_tokens', 'max_completion_tokens', None)

_FORMAT_HINTS = (
    'response_format', 'json_schema', 'json_object', 'json mode', 'structured output', 'schema',
    'grammar', 'guided', 'output format',
)  # fmt: skip
# Gemma's and old Mistral's chat templates know no system role, and say so in these ways.
_SYSTEM_HINTS = ('system role', 'system message', 'system prompt', 'developer instruction', 'roles')


@dataclass(frozen=True)
class Parameters:
    """What the user chose to send, besides the messages."""

    model: str
    max_tokens: int
    temperature: float | None = None
    seed: int | None = None
    extra: dict[str, Any] | None = None

    def identity(self) -> dict[str, Any]:
        """Return what an answer depends on; the token limit only decides whether there is one."""
        identity = asdict(self)
        del identity['max_tokens']
        return identity


@dataclass(frozen=True)
class Dialect:
    """How to phrase a request.

    Attributes:
        mode: how structured output is asked for, strictest first in ``MODES``.
        limit: the name of the token limit, or None where no name is accepted.
        system: whether it takes a system message; else its text precedes the user's.
        temperature: whether the endpoint lets one set it.
        seed: likewise.
    """

    mode: str = MODES[0]
    limit: str | None = LIMITS[0]
    system: bool = True
    temperature: bool = True
    seed: bool = True

    def sent(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters without those that the endpoint refuses."""
        left_out = {name for name in ('temperature', 'seed') if not getattr(self, name)}
        return {name: None if name in left_out else value for name, value in identity.items()}

    def describe(self) -> str:
        """Return what the endpoint does not take, in words."""
        refused = []
        if self.mode != MODES[0]:
            refused.append('a JSON schema' if self.mode == MODES[1] else 'JSON modes')
        if self.limit != LIMITS[0]:
            refused.append('max_tokens' if self.limit else 'limits of tokens')
        if not self.system:
            refused.append('a system message (its text went before the question)')
        refused += [name for name in ('temperature', 'seed') if not getattr(self, name)]
        return ', '.join(refused)

    def body(
        self,
        parameters: Parameters,
        messages: list[dict[str, str]],
        schema: dict[str, Any],
        max_tokens: int,
    ) -> dict[str, Any]:
        """Return the body of a chat-completions request."""
        if not self.system:
            first = f'{messages[0]["content"]}\n\n{messages[1]["content"]}'
            messages = [{'role': 'user', 'content': first}, *messages[2:]]
        body: dict[str, Any] = {'model': parameters.model, 'messages': messages}
        if self.mode == 'json_schema':
            described = {'name': 'descriptions', 'strict': True, 'schema': schema}
            body['response_format'] = {'type': 'json_schema', 'json_schema': described}
        elif self.mode == 'json_object':
            body['response_format'] = {'type': 'json_object'}
        if self.limit:
            body[self.limit] = max_tokens
        if self.temperature and parameters.temperature is not None:
            body['temperature'] = parameters.temperature
        if self.seed and parameters.seed is not None:
            body['seed'] = parameters.seed
        return body | (parameters.extra or {})

    def adapt(self, message: str, parameter: str | None, sent: dict[str, Any]) -> 'Dialect | None':
        """Return the dialect to try first after a refusal; None if it points at nothing.

        Args:
            message: the endpoint's words. Only the order of what is tried depends on them.
            parameter: the request's field that the endpoint blames, if it says so.
            sent: the body that was refused.
        """
        text = f'{parameter or ""} {message}'.lower()
        pointed_at = {
            'temperature': 'temperature' in text,
            'limit': str(self.limit) in text,
            # "seed" alone is part of many words and names of models.
            'seed': parameter == 'seed' or "'seed'" in text,
            'system': any(hint in text for hint in _SYSTEM_HINTS),
            'mode': any(hint in text for hint in _FORMAT_HINTS),
        }
        droppable = self._droppable(sent)
        found = (name for name, blamed in pointed_at.items() if blamed and name in droppable)
        return self._without(next(found, None))

    def plainer(self, sent: dict[str, Any]) -> 'Dialect | None':
        """Return the dialect with one demand less; None if there is none left to drop."""
        return self._without(next(iter(self._droppable(sent)), None))

    def _droppable(self, sent: dict[str, Any]) -> list[str]:
        """Return the demands of a request that can be dropped, the least important first."""
        there = {
            'mode': self.mode != MODES[-1],
            'system': self.system,
            'limit': self.limit is not None,
            'temperature': self.temperature and 'temperature' in sent,
            'seed': self.seed and 'seed' in sent,
        }
        return [name for name, is_there in there.items() if is_there]

    def _without(self, demand: str | None) -> 'Dialect | None':
        if demand is None:
            return None
        settings: dict[str, Any] = {demand: False}
        if demand == 'mode':
            settings[demand] = MODES[MODES.index(self.mode) + 1]
        elif demand == 'limit':
            settings[demand] = LIMITS[LIMITS.index(self.limit) + 1]
        return replace(self, **settings)
