"""JSON files, read strictly."""

import json
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


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'key {twice!r} appears twice')
    return result
