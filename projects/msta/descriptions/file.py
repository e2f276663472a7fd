"""Description files: this project's own form, and the published pair of files, index by class."""

import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..files import write_json
from ..labels import humanize_label, read_labels
from ..spelling import few
from ..tokenizer import count_tokens
from .schema import (
    FORMAT,
    DescriptionError,
    DescriptionFile,
    Descriptions,
    DescriptionWarning,
    find_problems,
)

Source = str | Path | Sequence[str | Path]
_MANY = 10
_NAMED = re.compile(r'A videos? of (.*?) generally involves the following step: ', re.IGNORECASE)
_FORMATS = FORMAT.rstrip('0123456789')


def read_descriptions(
    source: Source,
    labels: Sequence[str],
    context_length: int | None = None,
    count: Callable[[str], int] = count_tokens,
) -> Descriptions:
    """Read descriptions and return them in the order of ``labels``.

    Args:
        source: one file of this project's, matched by class name (it may hold more classes than
            asked for), or the pair ``(spatial.json, temporal.json)`` of the published form,
            whose keys are class indices.
        labels: the K class names.
        context_length: the text model's context; sentences that take more tokens than that are
            reported in a ``DescriptionWarning``, as the model would see only their beginning.
        count: a sentence's tokens, by the text model's tokenizer; CLIP's by default.

    Raises:
        DescriptionError: an unreadable file, missing classes, a wrong number of classes, or
            entries that are missing, empty or unequal in number. The message names the class.
    """
    found = load_descriptions(source, labels)
    problems = find_problems(found)
    if problems:
        raise DescriptionError(f'{describe_source(source)}: {_join(problems)}')
    if context_length is not None:
        warn_over_context(found, context_length, source, count)
    return found


def load_descriptions(source: Source, labels: Sequence[str]) -> Descriptions:
    """Read like ``read_descriptions``, leaving the number and text of the entries unchecked."""
    names = read_labels(labels)
    if isinstance(source, (str, Path)):
        return _select(load_file(source), names, Path(source))
    if len(source) != 2:
        raise DescriptionError(
            f'{len(source)} description files: give one file, or the published pair '
            '(spatial.json, temporal.json)'
        )
    spatial, temporal = (load_published(path, names) for path in source)
    if _looks_temporal(spatial) and not _looks_temporal(temporal):
        raise DescriptionError(
            f'{source[0]} holds the temporal descriptions and {source[1]} the spatial ones: '
            'give the spatial file first'
        )
    _require_order(temporal, names, str(source[1]))
    return Descriptions(names=names, spatial=spatial, temporal=temporal)


def load_file(path: str | Path) -> Descriptions:
    """Read one file of this project's form, in its own order.

    Raises:
        DescriptionError: no such file, or not of this form.
    """
    data = load_json(path)
    keys = data if isinstance(data, dict) else {}
    if keys and all(key.isdecimal() for key in keys):
        raise DescriptionError(
            f'{path} is one half of the published form: give the pair (spatial.json, temporal.json)'
        )
    form = keys.get('format')
    if form != FORMAT and f'{form}'.startswith(_FORMATS):
        raise DescriptionError(
            f'{path} was written by another version of this program (form {form}, here {FORMAT}): '
            'read it with that one, or generate it again with tools/gen_descriptions.py'
        )
    if form != FORMAT:
        raise DescriptionError(f'{path} is not a description file: its "format" is not {FORMAT!r}')
    try:
        return DescriptionFile.model_validate(data).unpack()
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(map(str, first['loc']))
        raise DescriptionError(
            f'{path}: {where}: {first["msg"]} ({error.error_count()} such problems)'
        ) from None


def load_published(path: str | Path, names: Sequence[str]) -> list[list[str]]:
    """Read one file of the published form: class index as text -> list of sentences.

    Raises:
        DescriptionError: no such file, or other indices than the classes'.
    """
    data = load_json(path)
    if not isinstance(data, dict):
        raise DescriptionError(f'{path}: an object of class indices is needed, not a list')
    by_key = {str(index): name for index, name in enumerate(names)}
    wrong = [f'class {key} {by_key[key]!r} is missing' for key in by_key if key not in data]
    wrong += [f'index {key!r} is not one of the classes' for key in sorted(data.keys() - by_key)]
    if wrong:
        raise DescriptionError(
            f'{path} has {len(data)} classes, the label list {len(names)}: {_join(wrong)}; use the '
            'label list the file was made for'
        )
    for key, name in by_key.items():
        entries = data[key]
        if not isinstance(entries, list) or not all(isinstance(text, str) for text in entries):
            raise DescriptionError(f'{path}: class {key} {name!r} is not a list of texts')
    return [data[key] for key in by_key]


def write_descriptions(path: str | Path, descriptions: Descriptions) -> None:
    """Write this project's file form, whole or not at all; equal content gives equal bytes."""
    packed = DescriptionFile.pack(descriptions).model_dump(mode='json')
    write_json(path, packed, indent=1)


def export_published(
    descriptions: Descriptions, folder: str | Path, name: str
) -> tuple[Path, Path]:
    """Write ``<N>_s_description_<name>.json`` and ``<N>_t_description_<name>.json``.

    Raises:
        DescriptionError: no descriptions to write.
    """
    if not descriptions.names:
        raise DescriptionError('there are no descriptions to export')
    paths = []
    for letter, column in (('s', descriptions.spatial), ('t', descriptions.temporal)):
        path = Path(folder) / f'{len(column[0])}_{letter}_description_{name}.json'
        write_json(path, {str(index): texts for index, texts in enumerate(column)}, indent=4)
        paths.append(path)
    return paths[0], paths[1]


def load_json(path: str | Path, what: str = 'description file') -> Any:
    """Parse a UTF-8 JSON file; repeated keys are an error, not a choice of the last.

    Raises:
        DescriptionError: no such file, or no JSON.
    """
    try:
        text = Path(path).expanduser().read_text(encoding='utf-8-sig')
        return json.loads(text, object_pairs_hook=_unique_keys)
    except FileNotFoundError:
        raise DescriptionError(f'no {what} {str(path)!r}') from None
    except (OSError, ValueError, RecursionError) as error:
        raise DescriptionError(f'{path} cannot be read as JSON: {error}') from None


def describe_source(source: Source) -> str:
    return str(source) if isinstance(source, (str, Path)) else ' + '.join(map(str, source))


def over_context(
    descriptions: Descriptions, context_length: int, count: Callable[[str], int] = count_tokens
) -> list[tuple[str, str, int]]:
    """Return (class, sentence, tokens) for each sentence longer than the context."""
    columns = zip(descriptions.names, descriptions.spatial, descriptions.temporal, strict=True)
    return [
        (name, text, tokens)
        for name, spatial, temporal in columns
        for text in [*spatial, *temporal]
        if (tokens := count(text)) > context_length
    ]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f'key {key!r} appears twice')
        result[key] = value
    return result


def warn_over_context(
    descriptions: Descriptions,
    context_length: int,
    source: Source,
    count: Callable[[str], int] = count_tokens,
) -> None:
    """Warn of sentences that the text model sees in part: see :func:`read_descriptions`."""
    long = over_context(descriptions, context_length, count)
    if long:
        lines = [f'{name!r} ({tokens} tokens)' for name, _, tokens in long]
        warnings.warn(
            f'{describe_source(source)}: {len(long)} sentences take more than the '
            f'{context_length} tokens of the text model, which sees only their beginning: '
            f'{_join(lines)}',
            DescriptionWarning,
            stacklevel=3,
        )


def _select(found: Descriptions, names: list[str], path: Path) -> Descriptions:
    """Return the named classes, matched exactly, else regardless of case and CamelCase."""
    exact = {name: index for index, name in enumerate(found.names)}
    for index, name in enumerate(found.names):
        if exact[name] != index:
            raise DescriptionError(f'{path}: class {name!r} appears twice')
    loose = {_folded(name): index for name, index in exact.items()}
    if len(loose) < len(exact):
        loose = {}
    rows = [exact.get(name, loose.get(_folded(name))) for name in names]
    missing = [repr(name) for name, row in zip(names, rows, strict=True) if row is None]
    if missing:
        raise DescriptionError(
            f'{path} lacks {len(missing)} of the {len(names)} classes: {_join(missing)}; '
            'generate them with tools/gen_descriptions.py'
        )
    chosen = [row for row in rows if row is not None]
    return Descriptions(
        names=names,
        spatial=[found.spatial[row] for row in chosen],
        temporal=[found.temporal[row] for row in chosen],
        meta=found.meta,
    )


def _require_order(temporal: list[list[str]], names: list[str], path: str) -> None:
    """Reject a label list in another order than the pair's, as far as its sentences tell.

    They name the class, if often in other words; none of the authors' names another class.
    """
    labels = {_folded(name): index for index, name in enumerate(names)}
    found = [
        match and _folded(match[1]) for texts in temporal for match in map(_NAMED.match, texts[:1])
    ]
    wrong = [
        f'class {index} {names[index]!r} is described as {names[labels[name]]!r}'
        for index, name in enumerate(found)
        if name in labels and labels[name] != index
    ]
    if wrong:
        raise DescriptionError(
            f'{path}: {_join(wrong)}: use the label list, in the order, the file was made for'
        )
    named = sum(name is not None for name in found)
    if named >= _MANY and not any(name in labels for name in found):
        warnings.warn(
            f'{path}: none of its {named} sentences names its class as the label list does '
            f'({found[0]!r} for {names[0]!r}): is it the list the file was made for?',
            DescriptionWarning,
            stacklevel=4,
        )


def _folded(name: str) -> str:
    return humanize_label(name).casefold()


def _looks_temporal(column: list[list[str]]) -> bool:
    texts = [text for entries in column for text in entries]
    return 2 * sum('following step' in text for text in texts) > len(texts)


def _join(lines: Sequence[str]) -> str:
    return few(lines, separator='; ')
