"""An OpenAI-compatible endpoint, asked patiently: bounded concurrency, back-off, verdicts."""

import asyncio
import email.utils
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import openai

from projects.msta.descriptions.credentials import Credentials
from projects.msta.descriptions.dialect import Dialect, Parameters
from projects.msta.descriptions.prompts import answer_schema
from projects.msta.descriptions.reply import Reply, read_reply
from projects.msta.descriptions.schema import DescriptionError

MAX_DELAY_SEC = 30.0
MAX_RETRY_AFTER_SEC = 300.0
_MAX_BARREN = 3
T = TypeVar('T')


class StopRunError(DescriptionError):
    """Asking on is pointless: a wrong key, a wrong model, an endpoint that went away."""


class GaveUpError(Exception):
    """This request came to nothing; others may still succeed."""


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


@dataclass(frozen=True)
class Patience:
    """How long and how often to try.

    Attributes:
        retries: how often a failed request is repeated.
        first_delay_sec: the first pause; it doubles each time, with jitter.
        timeout_sec: the time a request may take.
    """

    retries: int = 10
    first_delay_sec: float = 1.0
    timeout_sec: float = 120.0


class Endpoint:
    """Sends requests, learns the endpoint's dialect, and repeats what may succeed later."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        parameters: Parameters,
        num: int,
        credentials: Credentials,
        *,
        concurrency: int = 16,
        patience: Patience | None = None,
        dialect: Dialect | None = None,
    ):
        self.client = client
        self.parameters = parameters
        self.patience = patience or Patience()
        self.dialect = dialect or Dialect()
        self.proven = dialect is not None
        self.counts = Counts()
        self.stopping = asyncio.Event()
        self.credentials = credentials
        self._schema = answer_schema(num)
        self._slots = asyncio.Semaphore(concurrency)
        self._resume_at = 0.0
        self._barren = 0

    async def ask(self, messages: list[dict[str, str]], limit_growth: int = 1) -> Reply:
        """Send one request, repeating it as long as that may help.

        Raises:
            GaveUpError: this request failed for good.
            StopRunError: no request can succeed.
            InterruptError: ``stopping`` was set while waiting.
        """
        failures = 0
        while True:
            dialect = self.dialect
            max_tokens = self.parameters.max_tokens * limit_growth
            body = dialect.body(self.parameters, messages, self._schema, max_tokens)
            try:
                reply = await self._send(body)
            except openai.APIStatusError as error:
                if self._adapted(error, dialect, body):
                    continue
                problem, wait = await self._verdict(error)
            except (openai.APIError, TimeoutError) as error:
                problem, wait = self._describe(error), None
            except ValueError as error:
                problem, wait = f'the response was no chat completion: {error}', None
            else:
                self.proven, self._barren = True, 0
                return reply
            failures += 1
            if failures > self.patience.retries:
                self._give_up(f'{problem} ({failures} tries)')
            self.counts.retries += 1
            await self._pause(failures, wait)

    async def _send(self, body: dict[str, Any]) -> Reply:
        async with self._slots:
            while self._resume_at > time.monotonic():
                await self._wait_until(self._resume_at)
            if self.stopping.is_set():
                raise InterruptError
            self.counts.requests += 1
            started = time.monotonic()
            async with asyncio.timeout(self.patience.timeout_sec):
                # The plain body: the client's typed models cost half of its time and reject
                # nothing that is not checked here.
                try:
                    data = await self.client.post('/chat/completions', cast_to=object, body=body)
                except openai.RateLimitError as error:
                    # The limit holds for all requests, so all of them wait; noted before the
                    # slot is free for the next one.
                    wait = min(retry_after(error.response.headers) or 0.0, MAX_RETRY_AFTER_SEC)
                    self._resume_at = max(self._resume_at, time.monotonic() + wait)
                    raise
        reply = read_reply(data, self.credentials, time.monotonic() - started)
        self.counts.prompt_tokens += reply.prompt_tokens
        self.counts.completion_tokens += reply.completion_tokens
        return reply

    def _adapted(
        self, error: openai.APIStatusError, dialect: Dialect, body: dict[str, Any]
    ) -> bool:
        """Learn from a refusal; True if the request is worth sending again in other words."""
        if error.status_code not in (400, 415, 422, 500, 501):
            return False
        if self.dialect != dialect:
            return True
        adapted = dialect.adapt(error.message, error.param, body)
        unexplained = not (_is_content_refusal(error) or _is_bad_model(error))
        if adapted is None and unexplained and not self.proven and error.status_code in (400, 422):
            adapted = dialect.plainer()
        if adapted is None or (self.proven and error.status_code >= 500):
            return False
        self.dialect = adapted
        return True

    async def _verdict(self, error: openai.APIStatusError) -> tuple[str, float | None]:
        """Return the problem and how long the endpoint asks to wait, if it may pass."""
        problem = self._describe(error)
        status = error.status_code
        if status in (401, 403):
            raise StopRunError(f'{problem}: {self.credentials.key_advice()}')
        if status == 404 or _is_bad_model(error):
            raise StopRunError(
                f'{problem}: check --model {self.parameters.model!r} and --base-url'
                f'{await self._offered_models()}'
            )
        if status == 429 and 'quota' in f'{error.code} {error.message}'.lower():
            raise StopRunError(f'{problem}: the account has no credit left')
        if status not in (408, 409, 425, 429) and status < 500:
            self._give_up(problem)
        wait = retry_after(error.response.headers)
        if wait is not None and wait > MAX_RETRY_AFTER_SEC:
            raise StopRunError(
                f'{problem}: the endpoint asks to come back in {wait:.0f} s; run the same command '
                'then, nothing that was answered is asked again'
            )
        return problem, wait

    def _give_up(self, problem: str) -> NoReturn:
        self._barren += 1
        if self._barren >= _MAX_BARREN:
            raise StopRunError(
                f'{self._barren} requests in a row came to nothing, the last one with: {problem}; '
                'run the same command again to continue, nothing that was answered is asked again'
            )
        raise GaveUpError(problem)

    async def _offered_models(self) -> str:
        try:
            async with asyncio.timeout(5):
                page = await self.client.models.list()
            names = sorted(model.id for model in page.data)
        except (openai.OpenAIError, TimeoutError, ValueError, AttributeError, TypeError):
            return ''
        shown = ', '.join(names[:12]) + (', ...' if len(names) > 12 else '')
        return f' (the endpoint offers: {shown})' if names else ''

    async def _pause(self, failures: int, wait: float | None) -> None:
        if wait is None:
            delay = min(MAX_DELAY_SEC, self.patience.first_delay_sec * 2 ** (failures - 1))
            delay *= random.uniform(0.5, 1.0)
        else:
            # Never earlier than asked, and not all at the same moment.
            delay = wait + random.uniform(0, min(1.0, self.patience.first_delay_sec))
        await self._wait_until(time.monotonic() + delay)

    async def _wait_until(self, moment: float) -> None:
        while (delay := moment - time.monotonic()) > 0:
            await self.interruptible(asyncio.sleep(delay))
        if self.stopping.is_set():
            raise InterruptError

    async def interruptible(self, awaitable: Awaitable[T]) -> T:
        """Await something unless ``stopping`` is set first."""
        work = asyncio.ensure_future(awaitable)
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise InterruptError
        finally:
            work.cancel()
            stop.cancel()

    def _describe(self, error: Exception) -> str:
        if isinstance(error, (TimeoutError, openai.APITimeoutError)):
            return f'no answer within {self.patience.timeout_sec:g} s'
        if isinstance(error, openai.APIStatusError):
            text = self.credentials.redact(' '.join(str(error.message).split()))
            return f'the endpoint answered {error.status_code}: {text[:300]}'
        cause = self.credentials.redact(str(error.__cause__ or error))
        return f'no connection to {self.credentials.endpoint}: {cause[:200]}'


def retry_after(headers: Any) -> float | None:
    """Return the pause in seconds that Retry-After headers ask for: a number, or a date."""
    for name, unit in (('retry-after-ms', 0.001), ('retry-after', 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return seconds if 0 <= seconds < float('inf') else None
    date = email.utils.parsedate_tz(headers.get('retry-after'))
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _is_content_refusal(error: openai.APIStatusError) -> bool:
    return 'content' in f'{error.code}' or 'content_policy' in error.message


def _is_bad_model(error: openai.APIStatusError) -> bool:
    return f'{error.code}' in ('model_not_found', 'invalid_model') or (
        error.status_code in (400, 422) and error.param == 'model'
    )
