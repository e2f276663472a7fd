"""Addresses of files: paths, and what fsspec reads (s3://, gs://, hf://, ...). No torch."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import fsspec
from fsspec.registry import known_implementations

from . import CollectionError, MissingPackageError

LOCAL = 'file'
_MARK = '://'


def protocol_of(address: str) -> str:
    """``'s3'`` of ``s3://bucket/a.mp4``; ``'file'`` of a path."""
    return address.partition(_MARK)[0] if _MARK in address else LOCAL


def check_protocol(address: str) -> None:
    """Find out that a kind of address cannot be read before the work, not after it.

    Raises:
        MissingPackageError: its package is not installed, naming it.
        CollectionError: there is no such kind.
    """
    protocol = protocol_of(address)
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        hint = known_implementations.get(protocol, {}).get('err', str(error))
        raise MissingPackageError(
            f'{address}: {protocol}{_MARK} addresses need a package that is not installed for this '
            f'Python: {hint} (pip install, on every machine that reads)'
        ) from error
    except ValueError as error:
        raise CollectionError(
            f'{address}: {protocol}{_MARK} is not a kind of address that fsspec knows; give a path '
            'or one of s3://, gs://, hf://, http://, ...'
        ) from error


def absolute(address: str, root: Path) -> str:
    """Return the address that a list means: relative paths start at ``root``."""
    if protocol_of(address) == LOCAL:
        return str(root / address.removeprefix(LOCAL + _MARK))
    return address


def open_address(address: str) -> IO[bytes]:
    """Open a file for reading bytes, wherever it is."""
    check_protocol(address)
    return cast('IO[bytes]', fsspec.open(address, 'rb').open())


@contextlib.contextmanager
def local_file(address: str) -> Iterator[str]:
    """The path of a file while it is read: its own, or that of a copy that is then removed.

    Raises:
        OSError: it cannot be fetched; other errors are those of the address's package.
    """
    if protocol_of(address) == LOCAL:
        yield address
        return
    check_protocol(address)
    filesystem: Any
    filesystem, path = fsspec.core.url_to_fs(address)
    # Readers go by the suffix, and what stands behind it in an address is not part of it.
    suffix = PurePosixPath(path.partition('?')[0]).suffix
    with tempfile.NamedTemporaryFile(prefix='msta-', suffix=suffix) as copy:
        with filesystem.open(path, 'rb') as source:
            shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        yield copy.name
