"""JSON files: read strictly, written whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from projects.msta.descriptions.schema import DescriptionError


def load_json(path: str | Path) -> Any:
    """Parse a UTF-8 JSON file; repeated keys are an error, not a choice of the last.

    Raises:
        DescriptionError: no such file, or no JSON.
    """
    try:
        text = Path(path).expanduser().read_text(encoding='utf-8-sig')
        return json.loads(text, object_pairs_hook=_unique_keys)
    except FileNotFoundError:
        raise DescriptionError(f'no description file {str(path)!r}') from None
    except (OSError, ValueError, RecursionError) as error:
        raise DescriptionError(f'{path} cannot be read as JSON: {error}') from None


def write_json(path: str | Path, data: object, indent: int) -> None:
    """Write UTF-8 JSON under a temporary name, then rename."""
    with replacing(Path(path)) as temporary:
        text = json.dumps(data, ensure_ascii=False, indent=indent)
        temporary.write_text(text + '\n', encoding='utf-8', newline='\n')


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        with temporary.open('rb') as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'key {twice!r} appears twice')
    return result
