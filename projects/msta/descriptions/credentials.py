"""What must never be shown or stored: the API key, and credentials inside a URL."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from projects.msta.descriptions.schema import DescriptionError

DEFAULT_BASE_URL = 'https://api.openai.com/v1'
_LOCAL_KEY = 'no-key'
_MIN_SECRET = 8


@dataclass(frozen=True)
class Credentials:
    """Where requests go and with which key, and the text that may be shown of it.

    Attributes:
        base_url: the full URL, credentials included.
        key: the API key.
        variable: the environment variable the key came from.
    """

    base_url: str = field(repr=False)
    key: str = field(repr=False)
    variable: str

    @classmethod
    def from_environment(cls, base_url: str | None, variable: str) -> 'Credentials':
        """Take the key from the environment; endpoints other than OpenAI's may need none.

        Raises:
            DescriptionError: a URL that is none, or no key for an endpoint that needs one.
        """
        url = base_url or os.environ.get('OPENAI_BASE_URL') or DEFAULT_BASE_URL
        parts = urlsplit(url)
        if parts.scheme not in ('http', 'https') or not parts.hostname:
            raise DescriptionError(
                f'--base-url {_shown(url)!r} is no URL: give for instance '
                'http://localhost:8000/v1 (the part before /chat/completions)'
            )
        # A key for one endpoint must not reach another in an unprintable header.
        key = os.environ.get(variable, '').strip()
        if not key and url == DEFAULT_BASE_URL:
            raise DescriptionError(
                f'the environment variable {variable} is not set: export your API key in it, or '
                'name a local endpoint with --base-url'
            )
        if not key.isascii() or not key.isprintable():
            raise DescriptionError(
                f'the environment variable {variable} holds characters no key can have: '
                'copy the key again'
            )
        return cls(url.rstrip('/'), key or _LOCAL_KEY, variable)

    @property
    def endpoint(self) -> str:
        """The URL without user, password, query and fragment."""
        return _shown(self.base_url)

    def redact(self, text: str) -> str:
        """Return the text with the secrets blotted out."""
        parts = urlsplit(self.base_url)
        for secret in (self.key, parts.password, parts.query):
            # Placeholders such as vLLM's "EMPTY" are no secrets, and ordinary words.
            if secret and len(secret) >= _MIN_SECRET and secret != _LOCAL_KEY:
                text = text.replace(secret, '***')
        return text

    def key_advice(self) -> str:
        if self.key == _LOCAL_KEY:
            return f'export the key for {self.endpoint} in the environment variable {self.variable}'
        return f'check the key in the environment variable {self.variable}'


def _shown(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition('@')[2]
    return urlunsplit((parts.scheme, host, parts.path, '', '')).rstrip('/')
