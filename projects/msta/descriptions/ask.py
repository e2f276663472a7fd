"""Ask for every class that has no accepted answer yet, storing each answer as it arrives."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .cache import Cache, Row
from .credentials import Credentials
from .endpoint import Counts, Endpoint, GaveUpError, InterruptError, StopRunError
from .plan import Plan, Standing, Task, standing
from .prompts import PROMPT_VERSION
from .reply import Reply

Progress = Callable[[int, Counts], None]
Note = Callable[[str], None]
_SLOW_SEC = 15.0


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        counts: requests, retries and tokens.
        failures: why classes got no answer at all, by label.
        interrupted: whether the user stopped it.
        error: why it stopped itself, if it did.
        seconds: how long the asking took.
    """

    counts: Counts
    failures: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    error: StopRunError | None = None
    seconds: float = 0.0


def ask_missing(
    plan: Plan,
    cache: Cache,
    credentials: Credentials,
    *,
    concurrency: int = 16,
    retries: int = 10,
    timeout_sec: float = 120.0,
    progress: Progress = lambda done, counts: None,
    note: Note = lambda line: None,
) -> Outcome:
    """Ask until every class has an accepted answer or has used up its attempts.

    The first SIGINT or SIGTERM lets the requests in flight finish, the second one drops them.

    Args:
        concurrency: the number of requests in flight at once.
        retries: how often the client repeats a request that failed on the way.
        timeout_sec: the time a request may take.
        progress: called after each answer with the number of classes done in this run.
        note: called with lines for the user, such as what the endpoint does not accept.

    Returns:
        The outcome; its ``error`` says what the endpoint is to blame for.

    Raises:
        DescriptionError: the cache cannot be written.
    """
    try:
        endpoint = Endpoint(
            plan.parameters,
            plan.num,
            credentials,
            concurrency=concurrency,
            retries=retries,
            timeout_sec=timeout_sec,
            note=note,
        )
    except StopRunError as error:  # before anything was asked
        return Outcome(Counts(), error=error)
    return asyncio.run(_Run(plan, cache, endpoint, progress, note).finish())


class _Run:
    """One run against one endpoint."""

    def __init__(
        self, plan: Plan, cache: Cache, endpoint: Endpoint, progress: Progress, note: Note
    ):
        self.plan = plan
        self.cache = cache
        self.endpoint = endpoint
        self.progress = progress
        self.note = note
        self.writer = _Writer(cache)
        self.outcome = Outcome(endpoint.counts)
        self.done = 0

    async def finish(self) -> Outcome:
        """Ask for everything, with the user's signals heard; return how it ended."""
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        work = asyncio.ensure_future(self._ask_all())
        slow = loop.call_later(_SLOW_SEC, self._say_slow)

        def interrupt() -> None:
            if self.endpoint.stopping.is_set():
                work.cancel()
                return
            self.endpoint.stopping.set()
            self.note('stopping: the requests in flight are awaited (again: drop them)')

        # Python lets only the main thread hear signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, interrupt)
        try:
            await work
        except asyncio.CancelledError:
            self.outcome.interrupted = True
        finally:
            slow.cancel()
            await self.endpoint.close()
        self.outcome.seconds = time.monotonic() - started
        if self.endpoint.stopping.is_set() and self.outcome.error is None:
            self.outcome.interrupted = True
        if refused := self.endpoint.dialect.describe():
            self.note(f'the endpoint does not take {refused}')
        return self.outcome

    def _say_slow(self) -> None:
        if not self.endpoint.counts.completion_tokens and not self.done:
            self.note(
                f'no answer from {self.endpoint.credentials.endpoint} for {_SLOW_SEC:g} s; still '
                'waiting (a local server may be loading the model; Ctrl-C stops)'
            )

    async def _ask_all(self) -> None:
        standings = self.plan.standings(self.cache)
        pending = self.plan.open_tasks(standings)
        # One class goes first, so that an endpoint's dialect is learned once, not by all at once.
        while pending and not self.endpoint.proven and not self.endpoint.stopping.is_set():
            task = pending.pop(0)
            await self._describe(task, standings[task.key])
        try:
            async with asyncio.TaskGroup() as group:
                for task in pending:
                    group.create_task(self._describe(task, standings[task.key]))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _describe(self, task: Task, where: Standing) -> None:
        """Ask until an answer passes or the attempts are used up."""
        rows = list(where.used)
        try:
            while where.sentences is None and where.attempt < self.plan.attempts:
                reply = await self.endpoint.ask(where.messages, where.limit_growth)
                row = self._row(task, where.attempt, reply)
                await self.writer.store(row)
                rows.append(row)
                where = standing(task, rows)
                self.endpoint.counts.rejected += where.sentences is None
                self.done += where.sentences is not None
                self.progress(self.done, self.endpoint.counts)
        except GaveUpError as error:
            self.outcome.failures[task.label] = str(error)
        except InterruptError:
            pass
        except StopRunError as error:
            # The others end as after an interrupt: what is in flight is paid for, so it is kept.
            self.outcome.error = self.outcome.error or error
            self.endpoint.stopping.set()

    def _row(self, task: Task, attempt: int, reply: Reply) -> Row:
        """Return the cache's record of a question and its answer."""
        sent = self.endpoint.dialect.sent(self.plan.parameters.identity())
        return Row(
            key=task.key,
            attempt=attempt,
            label=task.label,
            model=self.plan.parameters.model,
            prompt_version=PROMPT_VERSION,
            parameters=json.dumps(sent, sort_keys=True),
            endpoint=self.endpoint.credentials.endpoint,
            content=reply.content,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            seconds=round(reply.seconds, 3),
            created=_timestamp(),
        )


class _Writer:
    """Commits answers from a coroutine; those that arrive during a commit share the next one."""

    def __init__(self, cache: Cache):
        self._cache = cache
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def store(self, row: Row) -> None:
        """Return once the answer is on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        # Shielded: what was paid for is stored even if the one who asked is cancelled.
        await asyncio.shield(done)

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._cache.store, [row for row, _ in group])
            except Exception as error:
                for _, done in group:
                    done.set_exception(error)
            else:
                for _, done in group:
                    done.set_result(None)


def _timestamp() -> str:
    """Return the time in UTC; SOURCE_DATE_EPOCH sets it for reproducible files."""
    fixed = os.environ.get('SOURCE_DATE_EPOCH', '')
    seconds = int(fixed) if fixed.isdecimal() else time.time()
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))
