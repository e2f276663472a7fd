"""Names in messages: the nearest valid ones, the first of many. Standard library alone."""

import difflib
from collections.abc import Iterable, Sequence


def similar(name: object, valid: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return the most similar of the valid names, whatever their case, the nearest first."""
    folded = {text.casefold(): text for text in sorted(valid)}
    found = difflib.get_close_matches(str(name)[:200].casefold(), folded, most, cutoff)
    return [folded[text] for text in found]


def nearest(name: object, valid: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the most similar of the valid names, whatever its case; None where none is near."""
    return next(iter(similar(name, valid, 1, cutoff)), None)


def did_you_mean(name: object, valid: Iterable[str], cutoff: float = 0.6) -> str:
    """``' (did you mean X?)'``, to be put behind a complaint, or ``''`` where nothing is near."""
    found = nearest(name, valid, cutoff)
    return f' (did you mean {found!r}?)' if found is not None else ''


def few(items: Sequence[str], most: int = 5, separator: str = ', ') -> str:
    """Return the first items, and how many more there are."""
    rest = f' and {len(items) - most} more' if len(items) > most else ''
    return separator.join(items[:most]) + rest
