"""The nearest valid name for one that is not known, for error messages. Standard library alone."""

import difflib
from collections.abc import Iterable


def nearest(name: object, valid: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of the valid names, whatever its case; None where none is near."""
    folded = {text.casefold(): text for text in sorted(valid)}
    found = difflib.get_close_matches(str(name)[:200].casefold(), folded, 1, cutoff)
    return folded[found[0]] if found else None


def did_you_mean(name: object, valid: Iterable[str], cutoff: float = 0.6) -> str:
    """``' (did you mean X?)'``, to be put behind a complaint, or ``''`` where nothing is near."""
    found = nearest(name, valid, cutoff)
    return f' (did you mean {found!r}?)' if found is not None else ''
