"""What the description tool does, one function a command; each returns the exit status."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from projects.msta.descriptions.cache import Cache
from projects.msta.descriptions.check import examine
from projects.msta.descriptions.credentials import Credentials
from projects.msta.descriptions.dialect import Parameters
from projects.msta.descriptions.estimate import Prices, estimate_tokens
from projects.msta.descriptions.plan import Plan, Standing, assemble, make_plan
from projects.msta.descriptions.prompts import PROMPT_HASH, PROMPT_VERSION
from projects.msta.descriptions.published import export_published
from projects.msta.descriptions.reader import (
    Source,
    describe_source,
    load_descriptions,
    load_file,
    read_descriptions,
    write_descriptions,
)
from projects.msta.descriptions.schema import DescriptionError
from projects.msta.labels import read_labels, resolve_labels
from projects.msta.locks import LockedError, locked
from projects.msta.spelling import similar

_SHOWN_PROMPTS = 2
_SHOWN_FAILURES = 20


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    if arguments.check:
        return check(arguments)
    if arguments.import_published:
        return import_published(arguments)
    if arguments.export_published and not arguments.model:
        return export(arguments)
    plan = plan_from(arguments)
    if arguments.dry_run:
        return dry_run(arguments, plan)
    credentials = Credentials.from_environment(arguments.base_url, arguments.key_env)
    with _alone(arguments.out), Cache(cache_path(arguments)) as cache:
        _refresh(arguments, plan, cache)
        if arguments.batch:
            from projects.msta.descriptions.batch_commands import run_batch

            return run_batch(arguments, plan, cache, credentials)
        return generate_file(arguments, plan, cache, credentials)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Be the only run that writes this file: another would pay for the same answers again."""
    lock = out.with_name(f'.{out.name}.lock')
    try:
        with locked(lock, f'has a run that writes {out.name}, started'):
            yield
    except LockedError as error:
        raise DescriptionError(f'{error}: wait for it, or give another --out') from None


def plan_from(arguments: argparse.Namespace) -> Plan:
    """Return the requests that the arguments describe.

    Raises:
        DescriptionError: unusable ``--extra``, or classes that leave no room in the context.
    """
    extra = None
    if arguments.extra:
        try:
            extra = json.loads(arguments.extra)
        except ValueError as error:
            raise DescriptionError(f'--extra is no JSON: {error}') from None
        if not isinstance(extra, dict):
            raise DescriptionError('--extra must be a JSON object, such as \'{"top_p": 0.9}\'')
    parameters = Parameters(
        arguments.model, arguments.max_tokens, arguments.temperature, arguments.seed, extra
    )
    return make_plan(
        read_labels(arguments.labels),
        parameters,
        num=arguments.num,
        style=arguments.style,
        context=arguments.context,
        contrast=arguments.contrast,
        attempts=arguments.attempts,
    )


def cache_path(arguments: argparse.Namespace) -> Path:
    return arguments.cache or arguments.out.with_suffix('.cache.sqlite')


def prices_from(arguments: argparse.Namespace) -> Prices:
    return Prices(arguments.price_in, arguments.price_out)


def check(arguments: argparse.Namespace) -> int:
    """Validate a file or a published pair and print its statistics."""
    source: Source = arguments.check if len(arguments.check) > 1 else arguments.check[0]
    if arguments.labels:
        found = load_descriptions(source, read_labels(arguments.labels))
    else:
        found = load_file(arguments.check[0])
    findings = examine(found, arguments.context)
    print(describe_source(source))
    print('\n'.join(findings.lines(arguments.all)))
    return 1 if findings.problems else 0


def import_published(arguments: argparse.Namespace) -> int:
    """Turn a published pair into a file of this project's form."""
    pair = arguments.import_published
    found = read_descriptions(pair, read_labels(arguments.labels))
    found.meta = {'imported_from': [Path(path).name for path in pair]}
    write_descriptions(arguments.out, found)
    print(f'{arguments.out}: {len(found.names)} classes imported')
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the published form of ``--out``, in the order of the labels if they are given."""
    if arguments.labels:
        found = read_descriptions(arguments.out, read_labels(arguments.labels))
        name = resolve_labels(arguments.labels).stem
    else:
        own = load_file(arguments.out)
        found = read_descriptions(arguments.out, own.names)
        name = arguments.out.stem
    for path in export_published(found, arguments.export_published, name):
        print(path)
    return 0


def dry_run(arguments: argparse.Namespace, plan: Plan) -> int:
    """Show what a run would ask, without a key or a connection."""
    path = cache_path(arguments)
    # A look must not create a file.
    with Cache(path if path.is_file() else ':memory:') as cache:
        standings = plan.standings(cache)
    pending = plan.open_tasks(standings)
    print(f'prompt version {PROMPT_VERSION}, hash {PROMPT_HASH}')
    for task in pending[:_SHOWN_PROMPTS]:
        print(f'\n===== {task.label!r}')
        for message in standings[task.key].messages:
            print(f'----- {message["role"]}\n{message["content"]}')
    prompt, completion = estimate_tokens(pending, standings)
    answered = sum(where.sentences is not None for where in standings.values())
    print(
        f'\n{len(plan.tasks)} classes, {answered} answered before, {len(pending)} requests to make'
    )
    print(
        f'estimated tokens: {prompt} prompt, {completion} completion (answers that fail the '
        'checks and reasoning come on top)'
    )
    print(f'estimated price: {prices_from(arguments).describe(prompt, completion)}')
    return 0


def generate_file(
    arguments: argparse.Namespace, plan: Plan, cache: Cache, credentials: Credentials
) -> int:
    """Ask what is missing, then write the file."""
    standings = plan.standings(cache)
    failures: dict[str, str] = {}
    if plan.open_tasks(standings):
        from projects.msta.descriptions.live import ask_missing

        outcome = ask_missing(arguments, plan, cache, credentials)
        failures = outcome.failures
        print(outcome.summary(prices_from(arguments)))
        standings = plan.standings(cache)
        if outcome.error:
            print(_done(plan, standings))
            raise DescriptionError(credentials.redact(outcome.error))
        if outcome.status and plan.open_tasks(standings):
            print(_done(plan, standings))
            print('interrupted; run the same command to continue where it stopped')
            return outcome.status
    return finish(arguments, plan, standings, failures)


def finish(
    arguments: argparse.Namespace,
    plan: Plan,
    standings: dict[str, Standing],
    failures: dict[str, str],
) -> int:
    """Write the file if every class has its descriptions, else say which have none."""
    found, failed = assemble(plan, standings)
    print(_done(plan, standings))
    if failed:
        for label, reason in list(failed.items())[:_SHOWN_FAILURES]:
            tries = next(standings[t.key].attempt for t in plan.tasks if t.label == label)
            print(f'  {label!r}: {failures.get(label, reason)} ({tries} answers)')
        if len(failed) > _SHOWN_FAILURES:
            print(f'  ... and {len(failed) - _SHOWN_FAILURES} more')
        if len(plan.open_tasks(standings)) < len(failed):
            print('classes that used up their attempts: raise --attempts, or --refresh-failed')
        if not arguments.allow_partial or not found.names:
            print(f'{arguments.out} not written (--allow-partial writes it without them)')
            return 1
    write_descriptions(arguments.out, found)
    print(f'{arguments.out}: {len(found.names)} classes, {plan.num} + {plan.num} descriptions each')
    if arguments.export_published:
        name = resolve_labels(arguments.labels).stem
        for path in export_published(found, arguments.export_published, name):
            print(path)
    return 1 if failed else 0


def _done(plan: Plan, standings: dict[str, Standing]) -> str:
    done = sum(where.sentences is not None for where in standings.values())
    return f'{done} of {len(plan.tasks)} classes have their descriptions'


def _refresh(arguments: argparse.Namespace, plan: Plan, cache: Cache) -> None:
    keys = {task.label: task.key for task in plan.tasks}
    for label in arguments.refresh:
        if label not in keys:
            near = similar(label, keys)
            hint = f': did you mean {" or ".join(map(repr, near))}?' if near else ''
            raise DescriptionError(f'--refresh {label!r} is no class of {arguments.labels}{hint}')
    forgotten = [keys[label] for label in arguments.refresh]
    if arguments.refresh_failed:
        standings = plan.standings(cache)
        forgotten += [
            key
            for key, where in standings.items()
            if where.sentences is None and where.attempt >= plan.attempts
        ]
    cache.forget(forgotten)
