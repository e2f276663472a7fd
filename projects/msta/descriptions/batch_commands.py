"""``--batch submit``, ``status`` and ``collect``."""

import argparse

import openai

from projects.msta.descriptions.batch import BatchJob
from projects.msta.descriptions.cache import Cache
from projects.msta.descriptions.commands import finish
from projects.msta.descriptions.credentials import Credentials
from projects.msta.descriptions.plan import Plan


def run_batch(
    arguments: argparse.Namespace, plan: Plan, cache: Cache, credentials: Credentials
) -> int:
    """Do one step of a batch; return the exit status."""
    with openai.OpenAI(
        api_key=credentials.key,
        base_url=credentials.base_url,
        timeout=arguments.timeout,
        max_retries=4,
    ) as client:
        job = BatchJob(plan, cache, client, credentials)
        if arguments.batch == 'submit':
            return _submit(job)
        if arguments.batch == 'status':
            print('\n'.join(job.status()) or 'no batch is under way')
            return 0
        return _collect(arguments, plan, cache, job)


def _submit(job: BatchJob) -> int:
    requests, identifiers = job.submit()
    if requests:
        print(f'{requests} requests submitted: {", ".join(identifiers)}')
        print('collect them with --batch collect, within a day')
    else:
        print('nothing to submit: every class is answered, under way, or out of attempts')
    return 0


def _collect(arguments: argparse.Namespace, plan: Plan, cache: Cache, job: BatchJob) -> int:
    result = job.collect()
    print(f'{result.stored} answers collected')
    for line in result.open:
        print(f'not finished: {line}')
    if result.adapted:
        print('the endpoint refused a field of the requests, which the next submission leaves out')
    standings = plan.standings(cache)
    if result.open and plan.open_tasks(standings) and not arguments.allow_partial:
        print('collect again when every batch has ended')
        return 1
    status = finish(arguments, plan, standings, result.errors)
    if status:
        print('what is missing: --batch submit again, or run without --batch')
    return status
