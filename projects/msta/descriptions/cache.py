"""Every answer ever paid for, in one SQLite file that survives a kill at any moment."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from .schema import DescriptionError

_VERSION = 1
_PATIENCE_SEC = 60.0
_TABLE = """
CREATE TABLE answers (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, label TEXT NOT NULL, model TEXT NOT NULL,
    prompt_version TEXT NOT NULL, parameters TEXT NOT NULL, endpoint TEXT NOT NULL,
    content TEXT NOT NULL, finish_reason TEXT, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, created TEXT NOT NULL,
    PRIMARY KEY (key, attempt))
"""


@dataclass(frozen=True)
class Row:
    """The answer to request ``key``, asked for the ``attempt``-th time, from 0."""

    key: str
    attempt: int
    label: str
    model: str
    prompt_version: str
    parameters: str
    endpoint: str
    content: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    created: str


def _remedy(error: Exception) -> str:
    """Return what a user can do about an error of SQLite's or of the file system."""
    other = 'give another file with --cache'
    # Without a code: text that is not UTF-8, found while reading.
    code = getattr(error, 'sqlite_errorname', 'SQLITE_CORRUPT')
    if isinstance(error, PermissionError) or code.startswith('SQLITE_READONLY'):
        return f'make it and its folder writable, or {other}'
    if isinstance(error, OSError):
        return other
    if code.startswith('SQLITE_BUSY'):
        return f'another process has kept it for {_PATIENCE_SEC:g} s: wait for it, or {other}'
    if code.startswith(('SQLITE_FULL', 'SQLITE_IOERR')):
        return f'free some disk space, or {other}'
    if code.startswith(('SQLITE_CORRUPT', 'SQLITE_NOTADB')):
        return f'it is damaged, or something else: restore a copy, or {other}'
    return other


class Cache:
    """The answers, by request.

    Every method commits before it returns, and may be called from any thread.

    Raises:
        DescriptionError: a file that is not such a cache, is damaged, or cannot be written.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = threading.Lock()
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite would find out at the first answer, which is paid for by then.
            if self.path.is_file() and not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError('a readonly database')
            # The default rollback journal with full syncing: unlike WAL it works on network disks.
            self._database = sqlite3.connect(
                self.path, timeout=_PATIENCE_SEC, check_same_thread=False
            )
        with self._transaction() as database:
            # The write lock first: of two new processes only one makes the table.
            version = database.execute('PRAGMA user_version').fetchone()[0]
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {row[0] for row in found}
            if version == 0 and not tables:
                database.execute(_TABLE)
                database.execute(f'PRAGMA user_version = {_VERSION}')
        self._check_origin(version, tables)

    def _check_origin(self, version: int, tables: set[str]) -> None:
        # Files of earlier versions have more tables, which nothing reads.
        if tables and 'answers' not in tables:
            self.close()
            raise DescriptionError(
                f'{self.path} is the database of another program (it has '
                f'{", ".join(sorted(tables))}) and is left alone: give another file with --cache'
            )
        if version not in (0, _VERSION):
            self.close()
            raise DescriptionError(
                f'{self.path} was written by another version of this program (form {version}, '
                f'here {_VERSION}): give another file with --cache'
            )

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> 'Cache':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DescriptionError(
                f'{self.path} cannot be used as the cache of answers: {error}; {_remedy(error)}'
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained(), self._lock, self._database:
            self._database.execute('BEGIN IMMEDIATE')
            yield self._database

    def store(self, rows: Iterable[Row]) -> None:
        """Add answers; one that is there already stays as it is."""
        places = ', '.join('?' * len(Row.__dataclass_fields__))
        with self._transaction() as database:
            database.executemany(
                f'INSERT OR IGNORE INTO answers VALUES ({places})', [astuple(row) for row in rows]
            )

    def answers(self, keys: Iterable[str]) -> dict[str, list[Row]]:
        """Return the answers to each of the requests, in the order of the attempts."""
        found: dict[str, list[Row]] = {key: [] for key in keys}
        with self._transaction() as database:
            columns = ', '.join(Row.__dataclass_fields__)
            query = f'SELECT {columns} FROM answers ORDER BY key, attempt'
            for values in database.execute(query):
                row = Row(*values)
                if row.key in found:
                    found[row.key].append(row)
        return found

    def forget(self, keys: Iterable[str]) -> None:
        """Drop all answers to these requests."""
        with self._transaction() as database:
            database.executemany('DELETE FROM answers WHERE key = ?', [(key,) for key in keys])
