"""The folder of a collection: a manifest, and one Parquet file per shard, whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..files import replacing, write_json
from ..locks import LockedError, locked
from . import CollectionError
from .recognizing import Answer
from .rows import EMBEDDING

MANIFEST = 'manifest.json'
_KEY = b'msta.manifest'
_FORMAT = 1


class Output:
    """Shards of one collection. Use :func:`open_output`."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self._open: dict[int, dict[int, dict[int, Answer]]] = {}

    def path(self, shard: int) -> Path:
        return self.folder / f'shard-{shard:08d}.parquet'

    def errors_in(self, shard: int) -> int | None:
        """Return how many rows of a finished shard have an error; None if it is not finished.

        Raises:
            CollectionError: a file in its place that this collection did not write.
        """
        path = self.path(shard)
        if not path.exists():
            return None
        try:
            errors = pq.read_table(path, columns=['error'])
        except (pa.ArrowInvalid, OSError) as error:
            raise CollectionError(
                f'{path} is damaged ({error}): remove it to do it again'
            ) from error
        if (errors.schema.metadata or {}).get(_KEY) != self.identity.encode():
            raise CollectionError(
                f'{path} is of another collection than the {MANIFEST} beside it: move it away'
            )
        return errors.num_rows - errors['error'].null_count

    def write(self, shard: int, tables: Iterable[pa.Table]) -> int:
        """Write a shard, from tables in order; return how many rows have an error."""
        errors, writer = 0, None
        with replacing(self.path(shard)) as temporary:
            try:
                for table in tables:
                    if writer is None:
                        schema = table.schema.with_metadata({_KEY: self.identity})
                        writer = pq.ParquetWriter(temporary, schema, **_encoding(schema))
                    writer.write_table(table.replace_schema_metadata({_KEY: self.identity}))
                    errors += table.num_rows - table['error'].null_count
            finally:
                if writer is not None:
                    writer.close()
        return errors

    def add(self, answer: Answer, jobs: int) -> bool:
        """Take the rows of a part, in any order; write the shard when all its jobs are there.

        Returns whether it was written. ``jobs`` is how many the shard has.
        """
        shard = self._open.setdefault(answer.shard, {})
        shard.setdefault(answer.job, {})[answer.number] = answer
        if len(shard) < jobs or not all(_is_whole(parts) for parts in shard.values()):
            return False
        done = [shard[job][number] for job in sorted(shard) for number in sorted(shard[job])]
        self.write(answer.shard, [pa.concat_tables(part.rows for part in done)])
        del self._open[answer.shard]
        return True


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """Embeddings as they are: they do not compress, and trying makes them slow to read."""
    leaves = [f'{f.name}.list.element' if pa.types.is_nested(f.type) else f.name for f in schema]
    plain = f'{EMBEDDING}.list.element'
    return {
        'use_dictionary': [leaf for leaf in leaves if leaf != plain],
        'compression': {leaf: 'none' if leaf == plain else 'zstd' for leaf in leaves},
    }


def _is_whole(parts: Mapping[int, Answer]) -> bool:
    return parts[max(parts)].last and len(parts) == max(parts) + 1


@contextlib.contextmanager
def open_output(folder: Path, settings: Mapping[str, Any]) -> Iterator[Output]:
    """Hold a new folder, or one that was begun with the same settings.

    Raises:
        CollectionError: it was begun with other ones, or is in use, or holds something else.
    """
    manifest = {'format': _FORMAT, **json.loads(json.dumps(settings))}
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    path = folder / MANIFEST
    if folder.exists() and not path.is_file() and any(p.name != '.lock' for p in folder.iterdir()):
        raise CollectionError(f'{folder} holds files that are not a collection: name a new folder')
    try:
        with locked(folder / '.lock'):
            if path.is_file():
                _compare(read_manifest(folder), manifest, folder)
            else:
                write_json(path, manifest, 2)
            for leftover in folder.glob('.shard-*.tmp.parquet'):  # of a process that was killed
                leftover.unlink()
            yield Output(folder, digest)
    except LockedError as error:
        raise CollectionError(
            f'{error}: a collection is written by one process at a time'
        ) from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a folder's shards were made from."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise CollectionError(
            f'{folder} is not a collection: {path} cannot be read ({error})'
        ) from error
    if not isinstance(manifest, dict) or manifest.get('format') != _FORMAT:
        raise CollectionError(
            f'{path} is not a manifest of format {_FORMAT}, which this version reads'
        )
    return manifest


def shards_of(folder: Path) -> list[Path]:
    """Return the finished shards of a folder, in order."""
    found = sorted(folder.glob('shard-*.parquet'))
    if not found:
        raise CollectionError(f'{folder} has no finished shard')
    return found


def _compare(then: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    differing = [
        f'{key}: {_short(then.get(key))} there, {_short(now.get(key))} now'
        for key in {**then, **now}
        if then.get(key) != now.get(key)
    ]
    if differing:
        raise CollectionError(
            f'{folder} was begun with other settings, and one folder has answers of one kind: '
            f'{"; ".join(differing)}. Repeat the settings of {MANIFEST}, or name a new folder'
        )


def _short(value: Any, most: int = 100) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f'{text[: most // 2]} ... {text[-most // 2 :]}'
