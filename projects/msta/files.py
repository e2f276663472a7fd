"""Files written whole or not at all. No torch."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# What a byte of a file name that is not UTF-8 becomes in Python.
_SURROGATE = re.compile(r'[\ud800-\udfff]')


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block succeeds.

    It ends like ``path``, for writers that go by the suffix. The folder is made if need be.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.tmp{path.suffix}')
    try:
        yield temporary
        with temporary.open('rb') as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


PICTURES = ('.png', '.svg', '.pdf')


def check_target(path: str | Path, endings: Sequence[str] = (), make_folder: bool = False) -> None:
    """Find out that a file cannot be written before the work, not after it.

    Args:
        path: The file.
        endings: Those that its name may have; any, if there are none.
        make_folder: Make its folder if need be, as :func:`replacing` will.

    Raises:
        ValueError: its name has another ending.
        OSError: its folder does not exist or cannot be written to, or a folder is in its place.
    """
    path = Path(path)
    if endings and path.suffix.lower() not in endings:
        *others, last = endings
        known = f'{", ".join(others)} or {last}' if others else last
        raise ValueError(f'{path}: the file name must end in {known}')
    if path.is_dir():
        raise IsADirectoryError(f'{path}: a folder is in the place of the file to write')
    if not make_folder and not path.parent.is_dir():
        raise FileNotFoundError(f'{path}: the folder {path.parent} does not exist')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise PermissionError(
            f'{path}: the folder {path.parent} cannot be written to ({error.strerror}): name '
            'a file in another one'
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text as it is: line ends, and bytes of file names that are not UTF-8."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode('utf-8', 'surrogateescape'))


def dump_json(value: object, indent: int | None = None) -> str:
    """Lay out JSON that any file name survives: bytes that are not UTF-8 as ``\\udcff``."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f'\\u{ord(found[0]):04x}', text)


def write_json(path: str | Path, data: object, indent: int) -> None:
    """Write UTF-8 JSON that ends with a line end."""
    write_text(path, dump_json(data, indent) + '\n')
