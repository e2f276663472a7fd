"""The same questions through the Batch API: submitted as a file, collected within a day.

A batch is noted in the cache before it is created and carries that note's token in its metadata,
so that a batch whose creation was cut short is found again instead of being paid twice.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import openai

from projects.msta.descriptions.cache import BatchRecord, Cache, Row
from projects.msta.descriptions.credentials import Credentials
from projects.msta.descriptions.dialect import Dialect
from projects.msta.descriptions.generate import make_question, make_row, timestamp
from projects.msta.descriptions.plan import Plan, Standing, Task
from projects.msta.descriptions.prompts import answer_schema
from projects.msta.descriptions.reply import Reply, read_reply
from projects.msta.descriptions.schema import DescriptionError

# OpenAI's limits are 50,000 requests and 200 MB a file; a request of ours is about 4 kB.
MAX_REQUESTS = 25_000
_TOKEN_FIELD = 'msta_token'
_ENDED = ('completed', 'expired', 'cancelled', 'failed')


@dataclass
class Collected:
    """What collecting brought in.

    Attributes:
        stored: answers now in the cache.
        errors: why requests came back without an answer, by class.
        open: batches that are not finished, as ``id: state`` lines.
        adapted: the endpoint refused a parameter, which the next submission leaves out.
    """

    stored: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    adapted: bool = False


class BatchJob:
    """Submits, watches and collects the batches of one plan."""

    def __init__(self, plan: Plan, cache: Cache, client: openai.OpenAI, credentials: Credentials):
        self.plan = plan
        self.cache = cache
        self.client = client
        self.credentials = credentials
        remembered = cache.dialect(credentials.endpoint, plan.parameters.model)
        self.dialect = Dialect.restore(remembered)

    def submit(self) -> tuple[int, list[str]]:
        """Send what is missing and not under way; return how many requests, and the batch ids."""
        self._settle_unconfirmed()
        standings = self.plan.standings(self.cache)
        under_way = {
            key
            for record in self.cache.batches(self.credentials.endpoint)
            for key in self.cache.batch_items(record.token)
        }
        tasks = [task for task in self.plan.open_tasks(standings) if task.key not in under_way]
        identifiers = []
        for start in range(0, len(tasks), MAX_REQUESTS):
            chunk = tasks[start : start + MAX_REQUESTS]
            identifiers.append(self._submit_chunk(chunk, standings))
        return len(tasks), identifiers

    def status(self) -> list[str]:
        """Return a line for each batch that is not collected yet."""
        self._settle_unconfirmed()
        lines = []
        for record in self.cache.batches(self.credentials.endpoint):
            batch = self._call(self.client.batches.retrieve, record.id or '')
            counts = batch.request_counts
            done = f'{counts.completed}/{counts.total}, {counts.failed} failed' if counts else '?'
            lines.append(f'{batch.id}: {batch.status} ({done}), submitted {record.created}')
        return lines

    def collect(self) -> Collected:
        """Store the answers of every batch that has ended; collecting again changes nothing."""
        self._settle_unconfirmed()
        result = Collected()
        for record in self.cache.batches(self.credentials.endpoint):
            batch = self._call(self.client.batches.retrieve, record.id or '')
            if batch.status not in _ENDED:
                result.open.append(f'{batch.id}: {batch.status}')
                continue
            self._store_results(record, batch, result)
            if batch.errors and batch.errors.data:
                text = '; '.join(self._safe(str(error.message)) for error in batch.errors.data[:3])
                result.errors.setdefault(f'batch {batch.id}', text)
            self.cache.update_batch(record.token, 'collected')
        if result.adapted:
            settings = self.dialect.settings()
            model = self.plan.parameters.model
            self.cache.store_dialect(self.credentials.endpoint, model, settings)
        return result

    def _submit_chunk(self, tasks: list[Task], standings: dict[str, Standing]) -> str:
        token = uuid.uuid4().hex
        lines = [json.dumps(self._request(task, standings[task.key])) for task in tasks]
        content = ('\n'.join(lines) + '\n').encode()
        file = self._call(
            self.client.files.create, file=('requests.jsonl', content), purpose='batch'
        )
        asked_at = self.credentials.endpoint
        questions = [
            make_question(task, standings[task.key].attempt, self.plan.parameters, asked_at)
            for task in tasks
        ]
        record = BatchRecord(token, None, self.credentials.endpoint, 'submitting', timestamp())
        self.cache.begin_batch(record, questions)
        # Repeating this call blindly could create a second batch, so the client must not.
        batch = self._call(
            self.client.with_options(max_retries=0).batches.create,
            input_file_id=file.id,
            endpoint='/v1/chat/completions',
            completion_window='24h',
            metadata={_TOKEN_FIELD: token},
        )
        self.cache.update_batch(token, 'submitted', batch.id)
        return batch.id

    def _request(self, task: Task, where: Standing) -> dict[str, Any]:
        limit = self.plan.parameters.max_tokens * where.limit_growth
        schema = answer_schema(self.plan.num)
        body = self.dialect.body(self.plan.parameters, where.messages, schema, limit)
        return {
            'custom_id': task.key,
            'method': 'POST',
            'url': '/v1/chat/completions',
            'body': body,
        }

    def _settle_unconfirmed(self) -> None:
        """Find out whether batches whose creation was not confirmed exist, by their token."""
        records = self.cache.batches(self.credentials.endpoint)
        unconfirmed = {record.token for record in records if record.id is None}
        if not unconfirmed:
            return
        found = {}
        for batch in self._call(lambda: list(islice(self.client.batches.list(limit=100), 1000))):
            token = (batch.metadata or {}).get(_TOKEN_FIELD)
            if token in unconfirmed:
                found[token] = batch.id
        for token in unconfirmed:
            if token in found:
                self.cache.update_batch(token, 'submitted', found[token])
            else:
                self.cache.update_batch(token, 'collected')

    def _store_results(self, record: BatchRecord, batch: Any, result: Collected) -> None:
        items = self.cache.batch_items(record.token)
        rows: list[Row] = []
        for name in (batch.output_file_id, batch.error_file_id):
            for line in self._lines(name) if name else ():
                question = items.get(str(line.get('custom_id')))
                reply = self._reply(line, question.label, result) if question else None
                if question and reply:
                    rows.append(make_row(question, reply))
        self.cache.store(rows)
        result.stored += len(rows)

    def _lines(self, file_id: str) -> Iterator[dict[str, Any]]:
        text = self._call(self.client.files.content, file_id).text
        for raw in text.split('\n'):
            try:
                line = json.loads(raw) if raw.strip() else None
            except ValueError:
                continue  # a cut line: its request counts as not answered
            if isinstance(line, dict):
                yield line

    def _reply(self, line: dict[str, Any], label: str, result: Collected) -> Reply | None:
        """Return the answer in a result line; errors are noted and teach the dialect."""
        response = line.get('response') or {}
        body = response.get('body') or {}
        try:
            return read_reply(body, self.credentials)
        except ValueError:
            error = line.get('error') or body.get('error') or 'no answer'
        detail = error if isinstance(error, dict) else {'message': str(error)}
        message = str(detail.get('message'))
        result.errors[label] = self._safe(message)[:300]
        if response.get('status_code') in (400, 422) and not result.adapted:
            sent = self.dialect.body(self.plan.parameters, [], {}, 1)
            adapted = self.dialect.adapt(message, detail.get('param'), sent)
            if adapted is not None:
                self.dialect, result.adapted = adapted, True
        return None

    def _call(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """Call the client, turning its errors into one line without secrets."""
        try:
            return function(*arguments, **options)
        except openai.AuthenticationError as error:
            advice = self.credentials.key_advice()
            raise DescriptionError(f'{self._safe(error.message)}: {advice}') from None
        except openai.NotFoundError as error:
            raise DescriptionError(
                f'{self._safe(error.message)}: does {self.credentials.endpoint} have a Batch API? '
                'Most local servers have none; run without --batch there'
            ) from None
        except openai.OpenAIError as error:
            raise DescriptionError(
                f'{self.credentials.endpoint}: {self._safe(str(error))[:300]}; run the same '
                'command again, nothing is submitted twice'
            ) from None

    def _safe(self, text: str) -> str:
        return self.credentials.redact(text)
