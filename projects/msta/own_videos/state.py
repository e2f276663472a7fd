"""What an interrupted adaptation was asked and has done, and small helpers. No torch."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_json

# What steps leave for a later call to continue from.
_MADE = ('adapters.pth', 'descriptions.json', 'windows.json')
_MADE_FOLDERS = ('training', 'search', 'features', 'windows')


class AdaptError(ValueError):
    """Videos or settings that cannot be adapted to."""


class State:
    """``adapt.json``: the settings that a folder was made with, and the results of its steps."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self._path, self._data = path, data

    @classmethod
    def open(cls, path: Path, asked: Mapping[str, Any], overwrite: bool) -> State:
        """Continue what is there, or begin; with ``overwrite``, what was made there goes.

        Raises:
            AdaptError: the folder was made with other settings and ``overwrite`` is false.
        """
        plain = json.loads(json.dumps(asked))
        if path.is_file() and not overwrite:
            try:
                data = json.loads(path.read_text(encoding='utf-8'))
                other = [key for key in plain if data['asked'].get(key) != plain[key]]
                data['done'].get('')
            except (ValueError, KeyError, AttributeError) as error:
                raise AdaptError(f'{path} is damaged: start over with --overwrite') from error
            if other:
                raise AdaptError(
                    f'{path.parent} was made with other settings ({", ".join(other)}): name '
                    'another --out, or start over with --overwrite'
                )
            return cls(path, data)
        if path.is_file():
            for name in _MADE:
                (path.parent / name).unlink(missing_ok=True)
            for name in _MADE_FOLDERS:
                shutil.rmtree(path.parent / name, ignore_errors=True)
        state = cls(path, {'asked': plain, 'done': {}})
        state._save()
        return state

    def get(self, step: str) -> Any:
        """Return the result of a step; None if it is not done."""
        return self._data['done'].get(step)

    def set(self, step: str, value: Any) -> None:
        """Keep the result of a step."""
        self._data['done'][step] = json.loads(json.dumps(value))
        self._save()

    def _save(self) -> None:
        write_json(self._path, self._data, indent=1)


def digest(value: Any) -> str:
    """Return a short hash of plain data."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=8).hexdigest()


def listed(what: str, names: Sequence[str], classes: int) -> list[str]:
    """A remark that names the first ten classes that it holds for; none where there are none."""
    more = ', ...' if len(names) > 10 else ''
    told = f'{what} ({len(names)} of {classes} classes): {", ".join(names[:10])}{more}'
    return [told] if names else []
