"""Settings given as text, read as what they replace. Standard library alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

_NUMBER = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?')
_WORDS = {'None': None, 'True': True, 'true': True, 'False': False, 'false': False}
_CLOSING = {'[': ']', '(': ')', '{': '}'}


def option_values(
    cfg: Config | Mapping[str, Any], options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Options by path, each text read against the value that it replaces; the rest as it is.

    Where the config has text, a value is text as given, except for ``None`` and lists in brackets.
    Elsewhere what is written as a number, ``True``, ``False``, ``None``, a quoted text, a list
    (``[a, b]``), a tuple or a dict is one, and anything else is text. Where the config has a list
    of its own, ``a,b`` is a list too.
    """
    return {
        key: read_value(value, _own(cfg, key)) if isinstance(value, str) else value
        for key, value in (options or {}).items()
    }


def read_value(text: str, own: Any = None) -> Any:
    """Read one value; ``own`` is what it replaces, None if nothing is known of that."""
    written = text.strip()
    if written == 'None':
        return None
    if isinstance(own, str):
        return [*_items(written, own)] if _encloses(written, '[') else text
    if isinstance(own, (list, tuple)):
        kind = own[0] if own else None
        for opening, made in (('[', list), ('(', tuple)):
            if _encloses(written, opening):
                return made(_items(written, kind))
        return type(own)(_items(f'[{written}]', kind)) if ',' in written else _literal(text)
    return _literal(text)


def _literal(text: str) -> Any:
    written = text.strip()
    if written in _WORDS:
        return _WORDS[written]
    if _NUMBER.fullmatch(written):
        return int(written) if re.fullmatch(r'[-+]?\d+', written) else float(written)
    if written[:1] in ('"', "'", '{'):
        try:
            return ast.literal_eval(written)
        except (ValueError, SyntaxError):
            return text
    if _encloses(written, '['):
        return [*_items(written)]
    return tuple(_items(written)) if _encloses(written, '(') else text


def _encloses(text: str, opening: str) -> bool:
    return text.startswith(opening) and text.endswith(_CLOSING[opening]) and len(text) > 1


def _items(text: str, own: Any = None) -> Iterator[Any]:
    """Split what is in a pair of brackets at the commas that are in no brackets or quotes."""
    item, expected, quote = '', '', ''
    for sign in text[1:-1] + ',':
        if sign == ',' and not expected and not quote:
            if item.strip():
                yield read_value(item.strip(), None if _is_quoted(item) else own)
            item = ''
            continue
        if quote:
            quote = '' if sign == quote else quote
        elif sign in '"\'' and not item.strip():  # an apostrophe within a word is one
            quote = sign
        elif sign in _CLOSING:
            expected = _CLOSING[sign] + expected
        elif expected[:1] == sign:
            expected = expected[1:]
        item += sign
    if item.strip(', '):
        yield item.rstrip(',').strip()


def _is_quoted(item: str) -> bool:
    item = item.strip()
    return len(item) > 1 and item[0] == item[-1] and item[0] in '"\''


def _own(cfg: Any, path: str) -> Any:
    for key in path.split('.'):
        if hasattr(cfg, 'get'):  # a dict or an mmengine Config
            cfg = cfg.get(key)
        elif isinstance(cfg, Sequence) and not isinstance(cfg, str) and key.isdigit():
            cfg = cfg[int(key)] if int(key) < len(cfg) else None
        else:
            return None
    return cfg
