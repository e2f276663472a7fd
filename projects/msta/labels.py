"""Class lists and the prompts made from them."""

import contextlib
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .paths import LABELS
from .spelling import did_you_mean

DEFAULT_TEMPLATE = 'a video of {}.'

_ID_ROW = re.compile(r'\s*"?\d+"?\s*,')
_CONTROL = re.compile(r'[\x00-\x1f\x7f-\x9f]')
# Half of a pair that stands for one character: what bytes that are not UTF-8 become in arguments.
_SURROGATE = re.compile(r'[\ud800-\udfff]')
_MOST_DIGITS = 9
_MOST_OF_PATH = 300


class LabelError(ValueError):
    """A class list or a prompt template that cannot be used as it is."""


def shipped_labels() -> list[str]:
    """Return the names of the class lists that come with this package, sorted."""
    return sorted(path.stem for path in LABELS.glob('*.txt'))


def read_labels(source: str | Path | Sequence[str], humanize: bool = False) -> list[str]:
    """Read a class list; the position of a name is its class index.

    Args:
        source: the names themselves; the name of a shipped list (see ``shipped_labels``); or the
            path of a UTF-8 file with either one name per line, or ``id,name`` rows (a header row is
            optional, ids are 0..K-1 in any order).
        humanize: turn identifiers into words, see ``humanize_label``.

    Raises:
        LabelError: an unreadable source, an empty list, an empty or repeated name, a name that is
            no plain text, or ids with gaps. The message names the entry and its line.
    """
    if isinstance(source, (str, Path)):
        path = resolve_labels(source)
        origin = str(path)
        located = _parse(_read_text(path), path)
    else:
        origin = 'the given list'
        located = [(f'entry {index}', name) for index, name in enumerate(source)]
    names = _validate(located, origin)
    if not humanize:
        return names
    words = [(where, humanize_label(name)) for (where, _), name in zip(located, names, strict=True)]
    return _validate(words, f'{origin} (names turned into words)')


def resolve_labels(source: str | Path) -> Path:
    """Return the file a shipped list's name or a path stands for.

    Raises:
        LabelError: neither a shipped list nor an existing file.
    """
    path, text = Path(source), str(source)
    with contextlib.suppress(RuntimeError):  # there is no such user
        path = path.expanduser()
    if not path.suffix and '/' not in text and '\\' not in text and text in shipped_labels():
        return LABELS / f'{text}.txt'
    folder = False
    try:
        if path.is_file():
            return path
        folder = path.is_dir()
    except OSError:  # too long for the name of a file
        pass
    said = _short(text, most=_MOST_OF_PATH)
    what = f'{said} is a folder, no' if folder else 'no'
    name = '' if folder else f' {said}{did_you_mean(text, shipped_labels())}'
    raise LabelError(
        f'{what} label file{name}: give the path of a file with one class name per line, or one of '
        f'the shipped lists: {", ".join(shipped_labels())}'
    )


def humanize_label(name: str) -> str:
    """Turn an identifier into words: ``ApplyEyeMakeup`` -> ``apply eye makeup``.

    Underscores become spaces. A name without spaces is read as CamelCase and lowered, acronyms
    (two or more capitals) excepted; one that has spaces keeps its capitals.
    """
    words = name.replace('_', ' ').split()
    if len(name.split()) == 1:
        spaced = re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', ' ', ' '.join(words))
        words = [
            word if len(word) > 1 and word.isupper() else word.lower() for word in spaced.split()
        ]
    return ' '.join(words)


def make_prompts(labels: Sequence[str], template: str = DEFAULT_TEMPLATE) -> list[str]:
    """Put each class name into the template, which has exactly one ``{}``.

    Raises:
        LabelError: a template with no ``{}`` or several.
    """
    count = template.count('{}')
    if count != 1:
        raise LabelError(
            f'template {template!r} has {count} places for the class name: write exactly one '
            f"'{{}}', as in {DEFAULT_TEMPLATE!r}"
        )
    before, after = template.split('{}')
    return [f'{before}{label}{after}' for label in labels]


def _read_text(path: Path) -> str:
    data = path.read_bytes()
    # Every other byte of Latin letters is zero in UTF-16, which also marks its beginning.
    utf16 = data[:2] in (b'\xff\xfe', b'\xfe\xff') or data[:1000].count(0) > len(data[:1000]) // 4
    how = f'save the file as UTF-8 (iconv -f {"UTF-16" if utf16 else "LATIN1"} -t UTF-8 OLD > NEW)'
    if utf16:
        raise LabelError(f'{path} is not UTF-8, but looks like UTF-16: {how}')
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b'\n') + 1
        raise LabelError(
            f'{path}: byte {data[error.start]:#04x} in line {line} is not UTF-8: {how}'
        ) from None


def _parse(text: str, path: Path) -> list[tuple[str, str]]:
    """Return (where, name) pairs in class order."""
    # Not str.splitlines: it also breaks lines at characters a name could hold by mistake.
    lines = re.split(r'\r\n|\n|\r', text)
    while lines and not lines[-1].strip():
        lines.pop()
    body = lines[1:] if lines and _is_header(lines[0]) else lines
    is_csv = path.suffix.lower() == '.csv' or len(body) < len(lines)
    if is_csv or (body and all(_ID_ROW.match(line) for line in body)):
        return _parse_csv('\n'.join(lines), path)
    return [(f'line {number}', line) for number, line in enumerate(lines, 1)]


def _is_header(line: str) -> bool:
    cells = [cell.strip().strip('"').lower() for cell in line.split(',')]
    return len(cells) == 2 and cells[0] in ('id', 'index', 'label') and not cells[1].isdigit()


def _parse_csv(text: str, path: Path) -> list[tuple[str, str]]:
    rows: dict[int, tuple[str, str]] = {}
    reader = csv.reader(io.StringIO(text))
    for row in _rows(reader, path):
        where = f'line {reader.line_num}'
        if reader.line_num == 1 and _is_header(','.join(row)):
            continue
        # A name with an unquoted comma still has its id in front.
        if len(row) < 2 or not row[0].strip().isdecimal() or len(row[0].strip()) > _MOST_DIGITS:
            raise LabelError(
                f'{path}, {where}: {_short(",".join(row))} is not "id,name" with a whole number as '
                'id'
            )
        index = int(row[0])
        if index in rows:
            raise LabelError(f'{path}, {where}: id {index} was given before, in {rows[index][0]}')
        rows[index] = (where, ','.join(row[1:]))
    missing = sorted(set(range(len(rows))) - set(rows))
    if missing:
        raise LabelError(
            f'{path}: {len(rows)} rows need the ids 0 to {len(rows) - 1}, but '
            f'{", ".join(map(str, missing[:10]))} {"is" if len(missing) == 1 else "are"} missing '
            f'(the largest id is {max(rows)}): number the classes without gaps'
        )
    return [rows[index] for index in range(len(rows))]


def _rows(reader: Any, path: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise LabelError(f'{path}, line {reader.line_num}: {error}') from None


def _short(name: str, most: int = 80) -> str:
    """A name for a message; what is too long keeps its two ends."""
    if len(name) <= most:
        return repr(name)
    return f'{name[: most // 2]!r}...{name[-most // 2 :]!r} ({len(name)} characters)'


def _validate(located: Sequence[tuple[str, str]], origin: str) -> list[str]:
    if not located:
        raise LabelError(f'{origin} has no class names: at least one is needed')
    seen: dict[str, str] = {}
    for where, name in located:
        if not isinstance(name, str):
            raise LabelError(f'{origin}, {where}: {name!r} is not a text')
        clean = name.strip()
        if not clean:
            raise LabelError(f'{origin}, {where}: empty class name')
        if _CONTROL.search(clean):
            raise LabelError(f'{origin}, {where}: {_short(clean)} holds a control character')
        if _SURROGATE.search(clean):
            raise LabelError(f'{origin}, {where}: {_short(clean)} is not text (no valid UTF-8)')
        if clean in seen:
            raise LabelError(
                f'{origin}, {where}: {_short(clean)} is already the name of {seen[clean]}: '
                'class names must differ'
            )
        seen[clean] = where
    return list(seen)
