"""What an OpenAI-compatible endpoint accepts, found out once from what it refuses."""

from dataclasses import asdict, dataclass
from typing import Any

_FORMAT_HINTS = (
    'response_format', 'json_schema', 'json_object', 'json mode', 'structured output', 'schema',
    'grammar', 'guided', 'output format',
)  # fmt: skip
# What a request demands, the least important first, and the words of a refusal that point at it.
_HINTS = {
    'json_schema': _FORMAT_HINTS,
    'json_object': _FORMAT_HINTS,
    # Gemma's and old Mistral's chat templates know no system role, and say so in these ways.
    'system': ('system role', 'system message', 'system prompt', 'developer instruction', 'roles'),
    'max_tokens': ('max_tokens',),
    'max_completion_tokens': ('max_completion_tokens',),
    'temperature': ('temperature',),
    # Without quotes it is part of many words and names of models.
    'seed': ("'seed'",),
}


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
    """How to phrase a request: without what was ``refused``, of the keys of ``_HINTS``.

    A system message that is refused precedes the user's; one limit of tokens takes the place of the
    other.
    """

    refused: frozenset[str] = frozenset()

    def sent(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters without those that the endpoint refuses."""
        return {k: None if k in self.refused else value for k, value in identity.items()}

    def describe(self) -> str:
        """Return what the endpoint does not take, in words."""
        words = {
            'json_schema': 'JSON modes' if 'json_object' in self.refused else 'a JSON schema',
            'json_object': '',
            'system': 'a system message (its text went before the question)',
            'max_tokens': 'limits of tokens' if self._first('max') is None else 'max_tokens',
            'max_completion_tokens': '',
        }
        said = [words.get(name, name) for name in _HINTS if name in self.refused]
        return ', '.join(filter(None, said))

    def body(
        self,
        parameters: Parameters,
        messages: list[dict[str, str]],
        schema: dict[str, Any],
        max_tokens: int,
    ) -> dict[str, Any]:
        """Return the body of a chat-completions request."""
        if 'system' in self.refused:
            first = f'{messages[0]["content"]}\n\n{messages[1]["content"]}'
            messages = [{'role': 'user', 'content': first}, *messages[2:]]
        body: dict[str, Any] = {'model': parameters.model, 'messages': messages}
        mode, limit = self._first('json'), self._first('max')
        if mode is not None:
            body['response_format'] = {'type': mode}
        if mode == 'json_schema':
            described = {'name': 'descriptions', 'strict': True, 'schema': schema}
            body['response_format']['json_schema'] = described
        if limit is not None:
            body[limit] = max_tokens
        for name in ('temperature', 'seed'):
            value = getattr(parameters, name)
            if value is not None and name not in self.refused:
                body[name] = value
        return body | (parameters.extra or {})

    def adapt(self, message: str, parameter: str | None, sent: dict[str, Any]) -> 'Dialect | None':
        """Return the dialect to try first after a refusal; None if it points at nothing.

        Args:
            message: the endpoint's words. Only the order of what is tried depends on them.
            parameter: the request's field that the endpoint blames, if it says so.
            sent: the body that was refused.
        """
        text = f"'{parameter}' {message}".lower()
        for name in reversed(self._demands(sent)):
            if any(hint in text for hint in _HINTS[name]):
                return Dialect(self.refused | {name})
        return None

    def plainer(self, sent: dict[str, Any]) -> 'Dialect | None':
        """Return the dialect with one demand less; None if there is none left to drop."""
        demands = self._demands(sent)
        return Dialect(self.refused | {demands[0]}) if demands else None

    def _first(self, kind: str) -> str | None:
        """The strictest JSON mode, or the limit of tokens, that was not refused."""
        names = (name for name in _HINTS if name.startswith(kind))
        return next((name for name in names if name not in self.refused), None)

    def _demands(self, sent: dict[str, Any]) -> list[str]:
        made = [self._first('json'), 'system', self._first('max')]
        made += [name for name in ('temperature', 'seed') if name in sent]
        return [name for name in made if name is not None and name not in self.refused]
