"""``tools/gen_descriptions.py``: what it does with its arguments, and what it prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import make_main
from .gen_descriptions_arguments import parser, usage_problem

if TYPE_CHECKING:
    from ..descriptions.plan import Plan, Standing

_SHOWN_PROMPTS = 2
_SHOWN_FAILURES = 20


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
    problem = usage_problem(args)
    if problem:
        raise ValueError(problem)
    if args.check:
        return check(args)
    if args.import_published:
        return import_published(args)
    if args.export_published and not args.model:
        return export(args)
    return generate(args)


def check(args: argparse.Namespace) -> int:
    """Validate a file or a published pair and print its statistics."""
    from ..descriptions.check import examine
    from ..descriptions.file import describe_source, load_descriptions, load_file
    from ..labels import read_labels

    source = args.check if len(args.check) > 1 else args.check[0]
    labels = read_labels(args.labels) if args.labels else None
    found = load_descriptions(source, labels) if labels else load_file(source)
    findings = examine(found, args.context)
    print(describe_source(source), *findings.lines(args.all), sep='\n')
    return 1 if findings.problems else 0


def import_published(args: argparse.Namespace) -> int:
    """Turn a published pair into a file of this project's form."""
    from ..descriptions import read_descriptions, write_descriptions
    from ..labels import read_labels

    found = read_descriptions(args.import_published, read_labels(args.labels))
    found.meta = {'imported_from': [Path(path).name for path in args.import_published]}
    write_descriptions(args.out, found)
    print(f'{args.out}: {len(found.names)} classes imported')
    return 0


def export(args: argparse.Namespace) -> int:
    """Write the published form of ``--out``, in the order of the labels if they are given."""
    from ..descriptions import read_descriptions
    from ..descriptions.file import export_published, load_file
    from ..labels import read_labels, resolve_labels

    labels = read_labels(args.labels) if args.labels else load_file(args.out).names
    name = resolve_labels(args.labels).stem if args.labels else args.out.stem
    found = read_descriptions(args.out, labels)
    print(*export_published(found, args.export_published, name), sep='\n')
    return 0


def generate(args: argparse.Namespace) -> int:
    """Ask what is missing, then write the file; or show what would be asked."""
    from ..descriptions.ask import ask_missing
    from ..descriptions.cache import Cache
    from ..descriptions.credentials import Credentials
    from ..descriptions.dialect import Parameters
    from ..descriptions.plan import make_plan
    from ..descriptions.subject import read_subject
    from ..labels import read_labels

    if args.first_delay:
        print('--first-delay has no effect any more and may be left out', file=sys.stderr)
    plan = make_plan(
        read_labels(args.labels),
        Parameters(args.model, args.max_tokens, args.temperature, args.seed, args.extra),
        num=args.num,
        style=args.style,
        context=args.context,
        contrast=args.contrast,
        attempts=args.attempts,
        subject=read_subject(args.subject),
    )
    path = args.cache or args.out.with_suffix('.cache.sqlite')
    if args.dry_run:
        # A look must not create a file.
        with Cache(path if path.is_file() else ':memory:') as cache:
            show(args, plan, plan.standings(cache))
        return 0
    credentials = Credentials.from_environment(args.base_url, args.key_env)
    with _alone(args.out), Cache(path) as cache:
        plan.forget(cache, args.refresh, args.refresh_failed)
        standings = plan.standings(cache)
        missing = len(plan.open_tasks(standings))
        if not missing:
            return finish(args, plan, standings, {})
        with _progress(args, len(plan.tasks), len(plan.tasks) - missing) as (progress, note):
            outcome = ask_missing(
                plan,
                cache,
                credentials,
                concurrency=args.concurrency,
                retries=args.retries,
                timeout_sec=args.timeout,
                progress=progress,
                note=note,
            )
        counts, cost = outcome.counts, _cost(args, outcome.counts)
        print(
            f'{counts.requests} requests ({counts.retries} retries, {counts.rejected} answers '
            f'turned down), {counts.prompt_tokens} prompt and {counts.completion_tokens} '
            f'completion tokens, {outcome.seconds:.2f} s' + (f', {cost}' if cost else '')
        )
        standings = plan.standings(cache)
        if outcome.error:
            print(_done(plan, standings))
            print(f'error: {outcome.error}', file=sys.stderr)
            return 2 if outcome.error.is_setting else 1
        if outcome.interrupted and plan.open_tasks(standings):
            print(_done(plan, standings))
            print('interrupted; run the same command to continue where it stopped')
            return 130
        return finish(args, plan, standings, outcome.failures)


def show(args: argparse.Namespace, plan: Plan, standings: dict[str, Standing]) -> None:
    """Print what a run would ask, without a key or a connection."""
    from ..descriptions.endpoint import Counts
    from ..descriptions.plan import estimate_tokens
    from ..descriptions.prompts import PROMPT_VERSION

    pending = plan.open_tasks(standings)
    print(f'prompt version {PROMPT_VERSION}, hash {plan.prompts.hash}')
    for task in pending[:_SHOWN_PROMPTS]:
        print(f'\n===== {task.label!r}')
        for message in standings[task.key].messages:
            print(f'----- {message["role"]}\n{message["content"]}')
    prompt, completion = estimate_tokens(pending, standings)
    done, count = _answered(standings), len(plan.tasks)
    print(f'\n{count} classes, {done} answered before, {len(pending)} requests to make')
    _say_shortened(plan, standings)
    print(
        f'estimated tokens: {prompt} prompt, {completion} completion (answers that fail the '
        'checks and reasoning come on top)'
    )
    cost = _cost(args, Counts(prompt_tokens=prompt, completion_tokens=completion))
    print(f'estimated price: {cost or "give --price-in and --price-out (USD per million tokens)"}')


def finish(
    args: argparse.Namespace, plan: Plan, standings: dict[str, Standing], failures: dict[str, str]
) -> int:
    """Write the file if every class has its descriptions, else say which have none."""
    from ..descriptions import write_descriptions
    from ..descriptions.file import export_published
    from ..descriptions.plan import assemble
    from ..labels import resolve_labels

    found, failed = assemble(plan, standings)
    print(_done(plan, standings))
    _say_shortened(plan, standings)
    if names := found.meta.get('not_sent'):
        print(f'warning: the endpoint refused {names}; answers were given without it')
    if failed:
        for label, reason in list(failed.items())[:_SHOWN_FAILURES]:
            tries = next(standings[t.key].attempt for t in plan.tasks if t.label == label)
            print(f'  {label!r}: {failures.get(label, reason)} ({tries} answers)')
        if len(failed) > _SHOWN_FAILURES:
            print(f'  ... and {len(failed) - _SHOWN_FAILURES} more')
        if len(plan.open_tasks(standings)) < len(failed):
            print('classes that used up their attempts: raise --attempts, or --refresh-failed')
        if not args.allow_partial or not found.names:
            print(f'{args.out} not written (--allow-partial writes it without them)')
            return 1
    write_descriptions(args.out, found)
    print(f'{args.out}: {len(found.names)} classes, {plan.num} + {plan.num} descriptions each')
    if args.export_published:
        name = resolve_labels(args.labels).stem
        print(*export_published(found, args.export_published, name), sep='\n')
    return 1 if failed else 0


def _say_shortened(plan: Plan, standings: dict[str, Standing]) -> None:
    from ..spelling import few

    names = [repr(name) for name in plan.shortened(standings)]
    if names:
        print(
            f'{len(names)} of {len(plan.tasks)} names leave too little of the {plan.context} '
            f'tokens to the {plan.style} form and get the short one: {few(names)}'
        )


def _answered(standings: dict[str, Standing]) -> int:
    return sum(where.sentences is not None for where in standings.values())


def _done(plan: Plan, standings: dict[str, Standing]) -> str:
    return f'{_answered(standings)} of {len(plan.tasks)} classes have their descriptions'


def _cost(args: argparse.Namespace, counts: Any) -> str:
    """Return the price in dollars, or nothing: a price is never guessed."""
    if args.price_in is None:
        return ''
    cost = counts.prompt_tokens * args.price_in + counts.completion_tokens * args.price_out
    return f'${cost / 1e6:.4f}'


@contextmanager
def _progress(
    args: argparse.Namespace, total: int, before: int
) -> Iterator[tuple[Callable[[int, Any], None], Callable[[str], None]]]:
    """Show classes done, rate, time left, retries and cost on standard error."""
    from tqdm import tqdm

    # Without a terminal a line every half minute keeps logs readable.
    often = 0.2 if sys.stderr.isatty() else 30
    options = {'file': sys.stderr, 'mininterval': often, 'dynamic_ncols': True}
    with tqdm(total=total, initial=before, unit='class', **options) as bar:

        def progress(done: int, counts: Any) -> None:
            said = f'retries {counts.retries}, rejected {counts.rejected}'
            cost = _cost(args, counts)
            bar.set_postfix_str(f'{said}, {cost}' if cost else said, refresh=False)
            bar.update(before + done - bar.n)

        yield progress, lambda line: bar.write(line, file=sys.stderr)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Be the only run that writes this file: another would pay for the same answers again."""
    from ..descriptions import DescriptionError
    from ..locks import LockedError, locked

    lock = out.with_name(f'.{out.name}.lock')
    try:
        with locked(lock, f'has a run that writes {out.name}, started'):
            yield
    except LockedError as error:
        raise DescriptionError(f'{error}: wait for it, or give another --out') from None


main = make_main(parser, run)
