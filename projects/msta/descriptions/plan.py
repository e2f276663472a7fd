"""From a label list to requests, and from stored answers to where each request stands."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from projects.msta.descriptions.answer import AnswerError
from projects.msta.descriptions.cache import Cache, Row
from projects.msta.descriptions.dialect import Parameters
from projects.msta.descriptions.forms import KINDS, MIN_PHRASE_TOKENS, Demand, Kind
from projects.msta.descriptions.gate import judge
from projects.msta.descriptions.prompts import (
    PROMPT_HASH,
    PROMPT_VERSION,
    build_correction,
    build_messages,
    nearest_names,
)
from projects.msta.descriptions.schema import DescriptionError, Descriptions

Message = dict[str, str]
_MAX_LIMIT_GROWTH = 8


@dataclass(frozen=True)
class Task:
    """One class to be described; ``key`` identifies the question asked, whoever asks it."""

    demand: Demand
    messages: list[Message]
    key: str

    @property
    def label(self) -> str:
        return self.demand.label


@dataclass(frozen=True)
class Standing:
    """Where a task stands.

    Attributes:
        sentences: the accepted descriptions, or None.
        used: the answers up to the accepted one, or all of them.
        reasons: why the last answer was turned down.
        messages: what to send next.
        limit_growth: the factor on the token limit, as answers were cut off before.
    """

    used: list[Row]
    messages: list[Message]
    sentences: dict[Kind, list[str]] | None = None
    reasons: list[str] = field(default_factory=list)
    limit_growth: int = 1

    @property
    def attempt(self) -> int:
        return len(self.used)


@dataclass(frozen=True)
class Plan:
    """All requests of a run and what they have in common."""

    tasks: list[Task]
    parameters: Parameters
    num: int
    style: str
    context: int
    attempts: int

    @property
    def keys(self) -> list[str]:
        return [task.key for task in self.tasks]

    def standings(self, cache: Cache) -> dict[str, Standing]:
        """Return where each task stands, by key."""
        stored = cache.answers(self.keys)
        return {task.key: standing(task, stored[task.key]) for task in self.tasks}

    def open_tasks(self, standings: dict[str, Standing]) -> list[Task]:
        """Return the tasks that need, and may have, another answer."""
        return [
            task
            for task in self.tasks
            if standings[task.key].sentences is None and standings[task.key].attempt < self.attempts
        ]


def make_plan(
    labels: Sequence[str],
    parameters: Parameters,
    *,
    num: int = 2,
    style: str = 'published',
    context: int = 77,
    contrast: int = 4,
    attempts: int = 6,
) -> Plan:
    """Return the requests for a label list.

    Args:
        labels: the class names.
        parameters: model and sampling choices.
        num: how many descriptions of each kind a class gets.
        style: a key of ``forms.STYLES``.
        context: the token budget of a sentence.
        contrast: how many similar class names a prompt mentions.
        attempts: how many answers a class may take until one passes the gate.

    Raises:
        DescriptionError: classes whose name alone uses up the context.
    """
    demands = [Demand(label, num, style, context) for label in labels]
    _require_room(demands)
    names = [demand.name for demand in demands]
    tasks = []
    for demand, others in zip(demands, nearest_names(names, contrast), strict=True):
        messages = build_messages(demand, others)
        question = {
            'prompt': [PROMPT_VERSION, PROMPT_HASH],
            'messages': messages,
            'demand': [demand.label, num, style, context],
            **parameters.identity(),
        }
        encoded = json.dumps(question, sort_keys=True).encode()
        tasks.append(Task(demand, messages, hashlib.sha256(encoded).hexdigest()))
    return Plan(tasks, parameters, num, style, context, attempts)


def standing(task: Task, rows: Sequence[Row]) -> Standing:
    """Judge the stored answers to a task anew; the first that passes counts."""
    reasons: list[str] = []
    for count, row in enumerate(rows, 1):
        sentences, reasons = _judged(row.content, row.finish_reason, task.demand)
        if sentences is not None:
            return Standing(list(rows[:count]), task.messages, sentences)
    if not rows:
        return Standing([], task.messages)
    cut_off = sum(row.finish_reason == 'length' for row in rows)
    return Standing(
        list(rows),
        build_correction(task.messages, rows[-1].content, reasons, task.demand.num),
        reasons=reasons,
        limit_growth=min(2**cut_off, _MAX_LIMIT_GROWTH),
    )


@lru_cache(maxsize=1 << 14)
def _judged(
    content: str, finish_reason: str | None, demand: Demand
) -> tuple[dict[Kind, list[str]] | None, list[str]]:
    """Return the sentences of an answer, or the reasons against it."""
    try:
        return judge(content, finish_reason, demand), []
    except AnswerError as error:
        return None, error.reasons


def assemble(plan: Plan, standings: dict[str, Standing]) -> tuple[Descriptions, dict[str, str]]:
    """Return the descriptions that the stored answers give, and why other classes have none.

    Nothing but the answers decides the result: the date is that of the newest one used.
    """
    done = [task for task in plan.tasks if standings[task.key].sentences is not None]
    failed = {
        task.label: '; '.join(standings[task.key].reasons) or 'no answer yet'
        for task in plan.tasks
        if standings[task.key].sentences is None
    }
    columns: dict[Kind, list[list[str]]] = {
        kind: [(standings[task.key].sentences or {})[kind] for task in done] for kind in KINDS
    }
    rows = [row for task in done for row in standings[task.key].used]
    from projects.msta import __version__

    identity = plan.parameters.identity()
    meta = {
        'generator': f'msta {__version__}',
        **identity,
        'endpoints': sorted({row.endpoint for row in rows}),
        'style': plan.style,
        'num': plan.num,
        'context_length': plan.context,
        'prompt_version': PROMPT_VERSION,
        'prompt_hash': PROMPT_HASH,
        'date': max((row.created[:10] for row in rows), default=None),
        'usage': {
            'answers': len(rows),
            'prompt_tokens': sum(row.prompt_tokens for row in rows),
            'completion_tokens': sum(row.completion_tokens for row in rows),
        },
        'failed': sorted(failed),
    }
    names = [task.label for task in done]
    return Descriptions(names=names, **columns, meta=meta), failed


def _require_room(demands: Sequence[Demand]) -> None:
    cramped = [
        f'{demand.label!r} ({demand.phrase_budget(kind)} left)'
        for demand in demands
        for kind in KINDS
        if demand.phrase_budget(kind) < MIN_PHRASE_TOKENS
    ]
    if cramped:
        first = demands[0]
        raise DescriptionError(
            f'with --style {first.style} and --context {first.context}, {len(cramped)} classes '
            f'leave no room for a description ({MIN_PHRASE_TOKENS} tokens at least): '
            f'{", ".join(cramped[:5])}{" ..." if len(cramped) > 5 else ""}; use --style short or '
            '--style free'
        )
