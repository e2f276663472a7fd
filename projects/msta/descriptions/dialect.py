"""What an OpenAI-compatible endpoint accepts, found out once from its own error messages."""

from dataclasses import asdict, dataclass, replace
from typing import Any

MODES = ('json_schema', 'json_object', 'text')
LIMITS = ('max_tokens', 'max_completion_tokens', None)

_FORMAT_HINTS = (
    'response_format', 'json_schema', 'json_object', 'json mode', 'structured output', 'schema',
    'grammar', 'guided', 'output format',
)  # fmt: skip


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
        return {
            'model': self.model,
            'temperature': self.temperature,
            'seed': self.seed,
            'extra': self.extra,
        }


@dataclass(frozen=True)
class Dialect:
    """How to phrase a request.

    Attributes:
        mode: how structured output is asked for, strictest first in ``MODES``.
        limit: the name of the token limit, or None where no name is accepted.
        temperature: whether the endpoint lets one set it.
        seed: likewise.
    """

    mode: str = MODES[0]
    limit: str | None = LIMITS[0]
    temperature: bool = True
    seed: bool = True

    @classmethod
    def restore(cls, settings: dict[str, Any] | None) -> 'Dialect':
        """Return a remembered dialect, or the most demanding one."""
        try:
            return cls(**settings) if settings else cls()
        except TypeError:
            return cls()

    def settings(self) -> dict[str, Any]:
        return asdict(self)

    def body(
        self,
        parameters: Parameters,
        messages: list[dict[str, str]],
        schema: dict[str, Any],
        max_tokens: int,
    ) -> dict[str, Any]:
        """Return the body of a chat-completions request."""
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
        """Return the dialect to try after a refusal, or None where the refusal names nothing of it.

        Args:
            message: the endpoint's error message.
            parameter: the request's field that the endpoint blames, if it says so.
            sent: the body that was refused.
        """
        text = f'{parameter or ""} {message}'.lower()
        blamed = (parameter or '').split('.')[0]
        if 'temperature' in sent and (blamed == 'temperature' or 'temperature' in text):
            return replace(self, temperature=False)
        if self.limit and (blamed == self.limit or self.limit in text):
            return replace(self, limit=LIMITS[LIMITS.index(self.limit) + 1])
        if 'seed' in sent and (blamed == 'seed' or "'seed'" in text):
            return replace(self, seed=False)
        if self.mode != 'text' and any(hint in text for hint in _FORMAT_HINTS):
            return self.plainer()
        return None

    def plainer(self) -> 'Dialect | None':
        """Return the dialect with the next less strict output mode, if there is one."""
        following = MODES.index(self.mode) + 1
        return replace(self, mode=MODES[following]) if following < len(MODES) else None
