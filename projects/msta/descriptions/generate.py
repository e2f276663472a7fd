"""Ask for every class that has no accepted answer yet, storing each answer as it arrives."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict

from projects.msta.descriptions.cache import Cache, Question, Row
from projects.msta.descriptions.dialect import Parameters
from projects.msta.descriptions.endpoint import Endpoint, GaveUpError, InterruptError, StopRunError
from projects.msta.descriptions.plan import Plan, Standing, Task, standing
from projects.msta.descriptions.prompts import PROMPT_VERSION
from projects.msta.descriptions.reply import Reply

Progress = Callable[[int], None]


class CacheWriter:
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


async def generate(
    plan: Plan, cache: Cache, endpoint: Endpoint, progress: Progress = lambda done: None
) -> dict[str, str]:
    """Ask until every class of the plan has an accepted answer or has used up its attempts.

    Args:
        plan: the classes and what to ask.
        cache: where answers come from and go to.
        endpoint: whom to ask. Setting its ``stopping`` ends the run after the requests in flight.
        progress: called after each stored answer with the number of classes done in this run.

    Returns:
        Why classes got no answer at all in the end, by label.

    Raises:
        StopRunError: no request can succeed; every answer so far is in the cache.
    """
    standings = plan.standings(cache)
    writer = CacheWriter(cache)
    failures: dict[str, str] = {}
    hopeless: list[StopRunError] = []
    done = 0

    async def describe(task: Task) -> None:
        nonlocal done
        try:
            async for where in _describe(task, standings[task.key], plan, writer, endpoint):
                done += where.sentences is not None
                progress(done)
        except GaveUpError as error:
            failures[task.label] = str(error)
        except InterruptError:
            pass
        except StopRunError as error:
            # The others end as after an interrupt: what is in flight is paid for, so it is kept.
            hopeless.append(error)
            endpoint.stopping.set()

    pending = plan.open_tasks(standings)
    # One class goes first, so that an endpoint's dialect is learned once, not by all at once.
    while pending and not endpoint.proven and not endpoint.stopping.is_set():
        await describe(pending.pop(0))
        if endpoint.proven:
            settings = endpoint.dialect.settings()
            cache.store_dialect(endpoint.credentials.endpoint, plan.parameters.model, settings)
    try:
        async with asyncio.TaskGroup() as group:
            for task in pending:
                group.create_task(describe(task))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    if hopeless:
        raise hopeless[0]
    return failures


async def _describe(
    task: Task,
    where: Standing,
    plan: Plan,
    writer: CacheWriter,
    endpoint: Endpoint,
) -> AsyncIterator[Standing]:
    """Ask until an answer passes or the attempts are used up; yield after each answer."""
    rows = list(where.used)
    while where.sentences is None and where.attempt < plan.attempts:
        reply = await endpoint.ask(where.messages, where.limit_growth)
        asked_at = endpoint.credentials.endpoint
        row = make_row(make_question(task, where.attempt, plan.parameters, asked_at), reply)
        await writer.store(row)
        rows.append(row)
        where = standing(task, rows)
        if where.sentences is None:
            endpoint.counts.rejected += 1
        yield where


def make_question(task: Task, attempt: int, parameters: Parameters, endpoint: str) -> Question:
    """Return the cache's record of what is asked."""
    return Question(
        key=task.key,
        attempt=attempt,
        label=task.label,
        model=parameters.model,
        prompt_version=PROMPT_VERSION,
        parameters=json.dumps(parameters.identity(), sort_keys=True),
        endpoint=endpoint,
    )


def make_row(question: Question, reply: Reply) -> Row:
    """Return the cache's record of an answer."""
    return Row(
        **asdict(question),
        content=reply.content,
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        seconds=round(reply.seconds, 3),
        created=timestamp(),
    )


def timestamp() -> str:
    """Return the time in UTC; SOURCE_DATE_EPOCH sets it for reproducible files."""
    fixed = os.environ.get('SOURCE_DATE_EPOCH', '')
    seconds = int(fixed) if fixed.isdecimal() else time.time()
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))
