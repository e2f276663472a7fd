"""What must never be shown or stored: the API key, and credentials inside a URL."""

import ipaddress
import os
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

from .schema import DescriptionError

DEFAULT_BASE_URL = 'https://api.openai.com/v1'
_PATH = '/chat/completions'
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
            DescriptionError: something that is not a URL, or no key for an endpoint that needs one.
        """
        url = base_url or os.environ.get('OPENAI_BASE_URL') or DEFAULT_BASE_URL
        if not _is_url(url):
            shown = url.rpartition('@')[2].partition('?')[0]
            raise DescriptionError(
                f'--base-url {shown!r} is not a URL: give for instance http://localhost:8000/v1 '
                f'(the part before {_PATH})'
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
        parts = urlsplit(url)
        path = parts.path.rstrip('/').removesuffix(_PATH)
        return cls(urlunsplit(parts._replace(path=path)), key or _LOCAL_KEY, variable)

    @property
    def endpoint(self) -> str:
        """The URL without user, password, query and fragment."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition('@')[2]
        return urlunsplit((parts.scheme, host, parts.path.rstrip('/'), '', ''))

    @property
    def has_path(self) -> bool:
        """Whether the URL says more than the host, such as ``/v1``."""
        return bool(urlsplit(self.base_url).path.strip('/'))

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine, where no proxy can reach it."""
        host = urlsplit(self.base_url).hostname or ''
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == 'localhost' or host.endswith('.localhost')
        return address.is_loopback or address.is_unspecified

    def below(self, path: str) -> 'Credentials':
        """Return the same credentials for a path below the URL."""
        parts = urlsplit(self.base_url)
        url = urlunsplit(parts._replace(path=parts.path.rstrip('/') + path))
        return replace(self, base_url=url)

    def redact(self, text: str) -> str:
        """Return the text with asterisks for the secrets."""
        parts = urlsplit(self.base_url)
        for secret in (self.key, parts.password, parts.query):
            # Placeholders such as vLLM's "EMPTY" are not secrets but ordinary words.
            if secret and len(secret) >= _MIN_SECRET and secret != _LOCAL_KEY:
                text = text.replace(secret, '***')
        return text

    def key_advice(self) -> str:
        """Return what to do about a key that is refused."""
        if self.key == _LOCAL_KEY:
            return f'export the key for {self.endpoint} in the environment variable {self.variable}'
        return f'check the key in the environment variable {self.variable}'


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ('http', 'https') and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, a bracket that is not closed
        return False
