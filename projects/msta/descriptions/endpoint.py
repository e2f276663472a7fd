"""An OpenAI-compatible endpoint: bounded concurrency, what it accepts, and why it refuses.

The client repeats what fails on the way (408, 409, 429, 5xx, time-outs, lost connections), waits
longer each time, and honours ``Retry-After`` up to two minutes. What it lacks is here: a page that
is not JSON though its status is 200 (gateways, hotel networks) is asked for again, an account
without credit is not, and nothing is repeated once the user wants to stop.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import openai

from .credentials import Credentials
from .dialect import Dialect, Parameters
from .prompts import answer_schema
from .reply import NO_CREDIT, Reply, is_bad_model, is_without_credit, read_reply, reason
from .schema import DescriptionError

_MAX_BARREN = 3
_CONNECT_SEC = 5.0
_FIRST_TRIES = 3
_MAX_PAUSE_SEC = 8.0
# Statuses by which servers refuse a field of the request; some template errors are a 500.
_REFUSALS = (400, 415, 422, 500, 501)
# Of the client's HTTP library, which is not this project's to import.
_NEVER_CONNECTED = ('ConnectError', 'ConnectTimeout', 'ProxyError', 'UnsupportedProtocol')


class StopRunError(DescriptionError):
    """Asking on is pointless: an endpoint that went away, an account without credit."""

    is_setting = False


class EndpointSettingError(StopRunError):
    """Asking on is pointless until the user changes the key, the model or the URL."""

    is_setting = True


class GaveUpError(Exception):
    """This request failed for good; others may still succeed."""


class InterruptError(Exception):
    """The user asked to stop before the request was sent."""


@dataclass
class Counts:
    """What a run has cost so far."""

    requests: int = 0
    retries: int = 0
    rejected: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Endpoint:
    """Sends requests and learns the endpoint's dialect.

    Attributes:
        proven: whether a request in this dialect has succeeded.
        stopping: set it to end the run: what is in flight is awaited, nothing else is sent.
    """

    def __init__(
        self,
        parameters: Parameters,
        num: int,
        credentials: Credentials,
        *,
        concurrency: int = 16,
        retries: int = 10,
        timeout_sec: float = 120.0,
        note: Callable[[str], None] = lambda line: None,
    ):
        self.parameters = parameters
        self.credentials = credentials
        self.dialect = Dialect()
        self.proven = False
        self.counts = Counts()
        self.stopping = asyncio.Event()
        self._retries = retries
        self._timeout_sec = timeout_sec
        self._note = note
        self._schema = answer_schema(num)
        self._slots = asyncio.Semaphore(concurrency)
        self._patient = False
        self._barren = 0
        self._client = self._connect()

    def _connect(self) -> openai.AsyncOpenAI:
        hooks: dict[str, list[Callable[..., Any]]] = {
            'request': [self._before_request],
            'response': [self._after_response],
        }
        timeout = openai.Timeout(self._timeout_sec, connect=min(_CONNECT_SEC, self._timeout_sec))
        try:
            http = openai.DefaultAsyncHttpxClient(
                trust_env=not self.credentials.is_local, event_hooks=hooks, timeout=timeout
            )
            return openai.AsyncOpenAI(
                api_key=self.credentials.key,
                base_url=self.credentials.base_url,
                max_retries=self._retries,
                timeout=timeout,
                http_client=http,
            )
        except (ImportError, ValueError) as error:
            # A SOCKS proxy without its package, or a proxy's URL of a form that is not known.
            said = self.credentials.redact(str(error))
            raise EndpointSettingError(
                f'the proxy that the environment names (ALL_PROXY, HTTPS_PROXY, HTTP_PROXY) '
                f'cannot be used for {self.credentials.endpoint}: {said} Unset the variable for '
                'this command (env -u ALL_PROXY ...), or pip install socksio for a socks5:// proxy'
            ) from None

    async def close(self) -> None:
        await self._client.close()

    async def ask(self, messages: list[dict[str, str]], limit_growth: int = 1) -> Reply:
        """Send one request, in other words if the endpoint refuses these.

        Raises:
            GaveUpError: this request failed for good.
            StopRunError: no request can succeed.
            InterruptError: ``stopping`` was set before it was sent.
        """
        first, unreadable = self.dialect, 0
        while True:
            dialect = self.dialect
            max_tokens = self.parameters.max_tokens * limit_growth
            body = dialect.body(self.parameters, messages, self._schema, max_tokens)
            try:
                reply = await self._send(body)
            except openai.APIStatusError as error:
                if self._moved_below_v1(error.status_code) or self._adapted(error, dialect, body):
                    continue
                if self._cut_short(error):
                    continue
                if not self.proven:
                    # Dropping demands did not help, so they are not to blame.
                    self.dialect = first
                await self._refused(error)
            except openai.APIError as error:
                problem = self._describe(error)
                if not self._patient and type(error.__cause__).__name__ in _NEVER_CONNECTED:
                    raise EndpointSettingError(
                        f'{problem}: is the server running, and is --base-url right?'
                    ) from None
                if self._cut_short(error):
                    continue
                self._give_up(problem)
            except ValueError as error:
                if self._moved_below_v1(200):
                    continue
                unreadable += 1
                if unreadable > self._retries:
                    problem = f'the response was not a chat completion: {error}'
                    self._give_up(f'{problem} ({unreadable} tries)')
                self.counts.retries += 1
                await asyncio.sleep(min(_MAX_PAUSE_SEC, 0.25 * 2**unreadable))
            else:
                self.proven, self._patient, self._barren = True, True, 0
                return reply

    async def _send(self, body: dict[str, Any]) -> Reply:
        client = self._client
        if not self._patient:
            # An endpoint that is not there, or refuses with a 500, shows before all the retries.
            client = client.with_options(max_retries=min(self._retries, _FIRST_TRIES - 1))
        async with self._slots:
            started = time.monotonic()
            # The plain body: the client's typed models cost half of its time and reject nothing
            # that is not checked here.
            data = await client.post('/chat/completions', cast_to=object, body=body)
        reply = read_reply(data, self.credentials, time.monotonic() - started)
        self.counts.prompt_tokens += reply.prompt_tokens
        self.counts.completion_tokens += reply.completion_tokens
        return reply

    async def _before_request(self, request: Any) -> None:
        """Count a request, or refuse to send it where the user wants to stop."""
        if not request.url.path.endswith('/chat/completions'):
            return
        if self.stopping.is_set():
            raise InterruptError
        self.counts.requests += 1
        self.counts.retries += request.headers.get('x-stainless-retry-count', '0') != '0'

    async def _after_response(self, response: Any) -> None:
        """Keep the client from asking an account without credit again."""
        if response.status_code == 429:
            await response.aread()
            if is_without_credit(response.text):
                response.headers['x-should-retry'] = 'false'

    def _cut_short(self, error: openai.APIError) -> bool:
        """Go on with all retries where the first few were used up."""
        if _retries_used(error) != _FIRST_TRIES - 1 or self._retries < _FIRST_TRIES:
            return False
        self._patient = True
        return True

    def _moved_below_v1(self, status: int) -> bool:
        """Go on below ``/v1``, once, where the bare host has no chat completions."""
        if self.proven or self.credentials.has_path or status not in (200, 404, 405):
            return False
        self.credentials = self.credentials.below('/v1')
        self._client.base_url = self.credentials.base_url
        self._note(f'nothing there answers chat requests: trying {self.credentials.endpoint}')
        return True

    def _adapted(
        self, error: openai.APIStatusError, dialect: Dialect, body: dict[str, Any]
    ) -> bool:
        """Learn from a refusal; True if the request is worth sending again in other words."""
        if error.status_code not in _REFUSALS:
            return False
        if self.dialect != dialect:
            return True
        adapted = dialect.adapt(reason(error), error.param, body)
        filtered = 'content' in f'{error.code}'
        unexplained = not (filtered or is_bad_model(error))
        if adapted is None and unexplained and not self.proven and error.status_code in (400, 422):
            adapted = dialect.plainer(body)
        if adapted is None or (self.proven and error.status_code >= 500):
            return False
        self.dialect = adapted
        return True

    async def _refused(self, error: openai.APIStatusError) -> NoReturn:
        """Say what a final error status means: for the run, or for this request alone."""
        problem, status = self._describe(error), error.status_code
        if status in (401, 403):
            raise EndpointSettingError(f'{problem}: {self.credentials.key_advice()}')
        if status in (404, 405) or is_bad_model(error):
            raise EndpointSettingError(
                f'{problem}: check --model {self.parameters.model!r} and --base-url '
                f'{self.credentials.endpoint}{await self._offered_models()}'
            )
        if status == 402 or error.code in NO_CREDIT or error.type in NO_CREDIT:
            raise StopRunError(f'{problem}: the account has no credit left')
        wait = error.response.headers.get('retry-after')
        if wait and _retries_used(error) < self._retries:  # longer than the client waits
            raise StopRunError(
                f'{problem}: the endpoint asks to come back later (Retry-After: {wait[:40]}); run '
                'the same command then, nothing that was answered is asked again'
            )
        self._give_up(problem)

    def _give_up(self, problem: str) -> NoReturn:
        self._barren += 1
        if self._barren >= _MAX_BARREN:
            raise StopRunError(
                f'{self._barren} requests in a row failed, the last one with: {problem}; '
                'run the same command again to continue, nothing that was answered is asked again'
            )
        raise GaveUpError(problem)

    async def _offered_models(self) -> str:
        try:
            async with asyncio.timeout(5):
                page = await self._client.with_options(max_retries=0).models.list()
            names = sorted(model.id for model in page.data)
        except (openai.OpenAIError, TimeoutError, ValueError, AttributeError, TypeError):
            return ''
        shown = ', '.join(names[:12]) + (', ...' if len(names) > 12 else '')
        return f' (the endpoint offers: {shown})' if names else ''

    def _describe(self, error: openai.APIError) -> str:
        if isinstance(error, openai.APIStatusError):
            text = self.credentials.redact(reason(error))
            return f'the endpoint answered {error.status_code}: {text[:300]}'
        if isinstance(error, openai.APITimeoutError) and (
            type(error.__cause__).__name__ not in _NEVER_CONNECTED
        ):
            return f'no answer within {self._timeout_sec:g} s'
        cause = self.credentials.redact(str(error.__cause__ or error))
        return f'no connection to {self.credentials.endpoint}: {cause[:200] or "time-out"}'


def _retries_used(error: openai.APIError) -> int:
    return int(error.request.headers.get('x-stainless-retry-count', '0'))
