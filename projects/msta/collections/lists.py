"""The list of a collection: a text file, or a column of a CSV or Parquet file. No torch.

A list is read from its beginning each time and never held as a whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from ..spelling import did_you_mean
from . import CollectionError
from .addresses import LOCAL, absolute, check_protocol, open_address, protocol_of

COLUMN = 'path'
_LOOKED_FOR = 100


@dataclass(frozen=True)
class VideoList:
    """Where the addresses of a collection stand, how many there are, and a hash of them all."""

    source: str
    column: str
    count: int
    digest: str

    def __iter__(self) -> Iterator[str]:
        return iter_addresses(self.source, self.column)


def open_list(source: str, column: str = COLUMN, root: Path | None = None) -> VideoList:
    """Read a list once, so that it is known before any work that it can be read.

    Args:
        source: path or address of a text file with one address per line, or of a ``.csv``, ``.tsv``
            or ``.parquet`` file.
        column: that of the addresses, in a file that has columns.
        root: where relative paths start; by default the current folder.

    Raises:
        CollectionError: it has no such column, an entry without text, or no entry; or none of the
            first local files exists.
        MissingPackageError: an address needs a package that is not installed.
    """
    hashed, count = hashlib.sha256(), 0
    protocols: set[str] = set()
    local: list[str] = []
    for count, address in enumerate(iter_addresses(source, column), 1):  # noqa: B007 - used below
        hashed.update(address.encode('utf-8') + b'\n')
        protocol = protocol_of(address)
        if protocol not in protocols:
            check_protocol(address)
            protocols.add(protocol)
        if protocol == LOCAL and len(local) < _LOOKED_FOR:
            local.append(absolute(address, root or Path.cwd()))
    if not count:
        raise CollectionError(f'{source} lists no videos')
    if local and not any(Path(path).exists() for path in local):
        raise CollectionError(
            f'{source}: none of the first {len(local)} files exists, such as {local[0]}; relative '
            'paths start in the current folder, or in the one that root (--root) names'
        )
    return VideoList(source, column, count, hashed.hexdigest())


def iter_addresses(source: str, column: str = COLUMN) -> Iterator[str]:
    """The addresses of a list, in order."""
    suffix = PurePosixPath(source.partition('?')[0]).suffix.lower()
    with open_address(source) as file:
        if suffix == '.parquet':
            found = _of_parquet(file, source, column)
        elif suffix in ('.csv', '.tsv'):
            found = _of_csv(file, source, column, '\t' if suffix == '.tsv' else ',')
        else:
            found = (line.strip() for line in _text(file, source) if line.strip())
        for number, address in enumerate(found, 1):
            if not isinstance(address, str) or not address.strip():
                raise CollectionError(
                    f'{source}, entry {number}: {address!r} in column {column!r} is not an address'
                )
            yield address


def _text(file: IO[bytes], source: str) -> Iterator[str]:
    try:
        yield from io.TextIOWrapper(file, encoding='utf-8-sig', newline='')
    except UnicodeDecodeError as error:
        raise CollectionError(
            f'{source} is not UTF-8 ({error}): a list is a text file, or ends in .csv, .tsv or '
            '.parquet'
        ) from error


def _of_csv(file: IO[bytes], source: str, column: str, delimiter: str) -> Iterator[str]:
    rows = csv.DictReader(_text(file, source), delimiter=delimiter)
    _check_column(column, list(rows.fieldnames or []), source)
    for row in rows:
        yield row[column]


def _of_parquet(file: IO[bytes], source: str, column: str) -> Iterator[str]:
    try:
        table = pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise CollectionError(f'{source} cannot be read as Parquet: {error}') from error
    _check_column(column, table.schema_arrow.names, source)
    for batch in table.iter_batches(columns=[column]):
        yield from batch.column(0).to_pylist()


def _check_column(column: str, columns: list[str], source: str) -> None:
    if column not in columns:
        raise CollectionError(
            f'{source} has no column {column!r}{did_you_mean(column, columns)}, it has '
            f'{", ".join(columns[:20]) or "none"}; name that of the videos (--column)'
        )
