"""A run against a live endpoint: client, signals, progress."""

import argparse
import asyncio
import signal
import time
from dataclasses import dataclass, field

import openai

from projects.msta.descriptions.cache import Cache
from projects.msta.descriptions.credentials import Credentials
from projects.msta.descriptions.dialect import Dialect
from projects.msta.descriptions.endpoint import Counts, Endpoint, Patience, StopRunError
from projects.msta.descriptions.estimate import Prices
from projects.msta.descriptions.generate import generate
from projects.msta.descriptions.plan import Plan
from projects.msta.descriptions.progress import ProgressLine

INTERRUPTED = 130


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        counts: requests, retries and tokens.
        failures: why classes got no answer, by label.
        status: the exit status that the ending itself asks for.
        error: why the run was stopped, if it was.
        seconds: how long the asking took.
    """

    counts: Counts
    failures: dict[str, str] = field(default_factory=dict)
    status: int = 0
    error: str | None = None
    seconds: float = 0.0

    def summary(self, prices: Prices) -> str:
        counts = self.counts
        tokens = f'{counts.prompt_tokens} prompt and {counts.completion_tokens} completion tokens'
        line = (
            f'{counts.requests} requests ({counts.retries} retries, {counts.rejected} answers '
            f'turned down), {tokens}, {self.seconds:.2f} s'
        )
        cost = prices.cost(counts.prompt_tokens, counts.completion_tokens)
        return line if cost is None else f'{line}, ${cost:.4f}'


def ask_missing(
    arguments: argparse.Namespace, plan: Plan, cache: Cache, credentials: Credentials
) -> Outcome:
    """Ask for every class without an accepted answer; never raises for the endpoint's sake."""
    return asyncio.run(_ask_missing(arguments, plan, cache, credentials))


async def _ask_missing(
    arguments: argparse.Namespace, plan: Plan, cache: Cache, credentials: Credentials
) -> Outcome:
    patience = Patience(arguments.retries, arguments.first_delay, arguments.timeout)
    remembered = cache.dialect(credentials.endpoint, plan.parameters.model)
    # One client, and no retries of its own: they would neither be counted nor bounded here.
    async with openai.AsyncOpenAI(
        api_key=credentials.key,
        base_url=credentials.base_url,
        timeout=patience.timeout_sec,
        max_retries=0,
    ) as client:
        endpoint = Endpoint(
            client,
            plan.parameters,
            plan.num,
            credentials,
            concurrency=arguments.concurrency,
            patience=patience,
            dialect=Dialect.restore(remembered) if remembered else None,
        )
        return await _watch(plan, cache, endpoint, Prices(arguments.price_in, arguments.price_out))


async def _watch(plan: Plan, cache: Cache, endpoint: Endpoint, prices: Prices) -> Outcome:
    """Run with a progress line; the first interrupt lets requests in flight finish."""
    outcome = Outcome(endpoint.counts)
    before = endpoint.dialect
    started = time.monotonic()
    total = len(plan.tasks)
    pending = len(plan.open_tasks(plan.standings(cache)))
    line = ProgressLine(total, total - pending, endpoint.counts, prices)
    work = asyncio.ensure_future(
        generate(plan, cache, endpoint, lambda done: line.update(total - pending + done))
    )

    def interrupt() -> None:
        if endpoint.stopping.is_set():
            work.cancel()
            return
        endpoint.stopping.set()
        line.note('stopping: the requests in flight are awaited (again: drop them)')

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        outcome.failures = await work
    except StopRunError as error:
        outcome.error = str(error)
    except asyncio.CancelledError:
        outcome.status = INTERRUPTED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        line.close()
    outcome.seconds = time.monotonic() - started
    if endpoint.stopping.is_set():
        outcome.status = INTERRUPTED
    if endpoint.dialect != before:
        line.note(f'the endpoint takes other requests than tried first: {endpoint.dialect}')
    return outcome
