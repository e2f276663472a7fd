"""From a label list to requests, and from stored answers to where each request stands."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .. import __version__
from ..spelling import did_you_mean, few
from ..tokenizer import count_tokens
from .answer import AnswerError
from .cache import Cache, Row
from .dialect import Parameters
from .forms import KINDS, MIN_PHRASE_TOKENS, Demand, Kind
from .prompts import PROMPT_VERSION, Prompts, build_correction, nearest_names
from .quality import judge, was_cut_off
from .schema import DescriptionError, Descriptions
from .subject import Subject, read_subject

Message = dict[str, str]
Sentences = dict[Kind, list[str]]
_MAX_LIMIT_GROWTH = 8
# After so many answers that fit the short form alone, the published form is given up for a class.
_PATIENT_ANSWERS = 3
# The two roles and the frame of a chat message; measured answers are 11-14 tokens per phrase.
_FRAME_TOKENS = 12
_TOKENS_PER_PHRASE = 14
_JSON_TOKENS = 20


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
        used: the answers up to the accepted one, or all of them.
        messages: what to send next.
        sentences: the accepted descriptions, or None.
        style: the form of the accepted descriptions.
        reasons: why the last answer was turned down.
        limit_growth: the factor on the token limit, as answers were cut off before.
    """

    used: list[Row]
    messages: list[Message]
    sentences: Sentences | None = None
    style: str | None = None
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
    prompts: Prompts
    num: int
    style: str
    context: int
    attempts: int

    def standings(self, cache: Cache) -> dict[str, Standing]:
        """Return where each task stands, by key."""
        stored = cache.answers(task.key for task in self.tasks)
        return {task.key: standing(task, stored[task.key]) for task in self.tasks}

    def open_tasks(self, standings: dict[str, Standing]) -> list[Task]:
        """Return the tasks that need, and may have, another answer."""
        return [
            task
            for task in self.tasks
            if standings[task.key].sentences is None and standings[task.key].attempt < self.attempts
        ]

    def shortened(self, standings: dict[str, Standing]) -> list[str]:
        """Return the classes whose descriptions have, or will have, the short form instead."""
        return [
            task.label
            for task in self.tasks
            if (standings[task.key].style or task.demand.style) != self.style
        ]

    def forget(self, cache: Cache, labels: Sequence[str], failed: bool = False) -> None:
        """Drop the answers of these classes and, if asked to, of all that used up their attempts.

        Raises:
            DescriptionError: a label that is not in the plan.
        """
        keys = {task.label: task.key for task in self.tasks}
        for label in labels:
            if label not in keys:
                hint = did_you_mean(label, keys)
                raise DescriptionError(f'--refresh {label!r} is not one of the classes{hint}')
        forgotten = [keys[label] for label in labels]
        if failed:
            forgotten += [
                key
                for key, where in self.standings(cache).items()
                if where.sentences is None and where.attempt >= self.attempts
            ]
        cache.forget(forgotten)


def make_plan(
    labels: Sequence[str],
    parameters: Parameters,
    *,
    num: int = 2,
    style: str = 'published',
    context: int = 77,
    contrast: int = 4,
    attempts: int = 6,
    subject: Subject | None = None,
) -> Plan:
    """Return the requests for a label list.

    Args:
        labels: the class names.
        parameters: model and sampling choices.
        num: how many descriptions of each kind a class gets.
        style: a key of ``forms.STYLES``. A name that leaves no room in the published form is
            described in the short one.
        context: the token budget of a sentence.
        contrast: how many similar class names a prompt mentions.
        attempts: how many answers a class may take until one passes the checks.
        subject: what the classes are classes of; None: human actions.

    Raises:
        DescriptionError: classes whose name alone uses up the context.
    """
    prompts = Prompts(subject or read_subject())
    demands = _with_room([Demand(label, num, style, context) for label in labels])
    names = [demand.name for demand in demands]
    tasks = []
    for demand, others in zip(demands, nearest_names(names, contrast), strict=True):
        messages = prompts.messages(demand, others)
        question = {
            'prompt': [PROMPT_VERSION, prompts.hash],
            'messages': messages,
            'demand': [demand.label, num, demand.style, context],
            **parameters.identity(),
        }
        encoded = json.dumps(question, sort_keys=True).encode()
        tasks.append(Task(demand, messages, hashlib.sha256(encoded).hexdigest()))
    return Plan(tasks, parameters, prompts, num, style, context, attempts)


def _with_room(demands: Sequence[Demand]) -> list[Demand]:
    """Return the demands, in the short form where the published one leaves no room."""
    chosen = [demand if demand.has_room else demand.shorter() or demand for demand in demands]
    cramped = [
        f'{demand.label!r} ({min(map(demand.phrase_budget, KINDS))} left)'
        for demand in chosen
        if not demand.has_room
    ]
    if cramped:
        first = demands[0]
        raise DescriptionError(
            f'with --style {first.style} and --context {first.context}, {len(cramped)} classes '
            f'leave no room for a description ({MIN_PHRASE_TOKENS} tokens at least): '
            f'{few(cramped)}; use --style free, or shorter class names'
        )
    return chosen


def standing(task: Task, rows: Sequence[Row]) -> Standing:
    """Judge the stored answers to a task again; the first that passes counts."""
    reasons: list[str] = []
    for count, row in enumerate(rows, 1):
        sentences, reasons = _judged(row.content, row.finish_reason, task.demand)
        if sentences is not None:
            return Standing(list(rows[:count]), task.messages, sentences, task.demand.style)
    if not rows:
        return Standing([], task.messages)
    shorter = task.demand.shorter()
    if shorter and (task.demand.is_cramped or len(rows) >= _PATIENT_ANSWERS):
        # Too long for the published form, which is what differs: no need to ask again.
        for row in rows:
            sentences, _ = _judged(row.content, row.finish_reason, shorter)
            if sentences is not None:
                return Standing(list(rows), task.messages, sentences, shorter.style)
    cut_off = sum(was_cut_off(row.finish_reason) for row in rows)
    return Standing(
        list(rows),
        build_correction(task.messages, rows[-1].content, reasons, task.demand.num),
        reasons=reasons,
        limit_growth=min(2**cut_off, _MAX_LIMIT_GROWTH),
    )


@lru_cache(maxsize=1 << 14)
def _judged(
    content: str, finish_reason: str | None, demand: Demand
) -> tuple[Sentences | None, list[str]]:
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
    meta = {
        'generator': f'msta {__version__}',
        **plan.parameters.identity(),
        'endpoints': sorted({row.endpoint for row in rows}),
        'style': plan.style,
        'num': plan.num,
        'context_length': plan.context,
        'prompt_version': PROMPT_VERSION,
        'prompt_hash': plan.prompts.hash,
        'date': max((row.created[:10] for row in rows), default=None),
        'usage': {
            'answers': len(rows),
            'prompt_tokens': sum(row.prompt_tokens for row in rows),
            'completion_tokens': sum(row.completion_tokens for row in rows),
        },
        'failed': sorted(failed),
    }
    # Said only where it applies, so that the file of an earlier version's answers is the same.
    special = {
        'subject': '' if plan.prompts.subject == read_subject() else plan.prompts.subject.about,
        'short_form': [label for label in plan.shortened(standings) if label not in failed],
        'not_sent': unsent(plan, rows),
    }
    meta |= {key: value for key, value in special.items() if value}
    names = [task.label for task in done]
    return Descriptions(names=names, **columns, meta=meta), failed


def unsent(plan: Plan, rows: Sequence[Row]) -> list[str]:
    """Return the parameters that some of the answers were given without: they were refused."""
    identity = plan.parameters.identity()
    sent = [json.loads(parameters) for parameters in {row.parameters for row in rows}]
    return sorted(
        name
        for name, value in identity.items()
        if value is not None and any(each.get(name) is None for each in sent)
    )


def estimate_tokens(tasks: list[Task], standings: dict[str, Standing]) -> tuple[int, int]:
    """Return estimated prompt and completion tokens of asking each task once.

    Prompts are counted with CLIP's own encoding, whose counts for plain English are within some
    ten percent of other models'; reasoning, if a model does any, comes on top.
    """
    prompt = sum(
        _FRAME_TOKENS
        + sum(count_tokens(message['content']) for message in standings[task.key].messages)
        for task in tasks
    )
    completion = sum(_JSON_TOKENS + 2 * task.demand.num * _TOKENS_PER_PHRASE for task in tasks)
    return prompt, completion
