"""Whatever is in a file or a text: it survives the way out and back, or is refused in words."""

import csv
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.msta.datasets.lists.annotations import (
    AnnotationError,
    Video,
    read_annotations,
    read_skip_list,
    write_annotations,
)
from projects.msta.datasets.lists.splits import base_and_novel, class_sample, few_shot, train_val
from projects.msta.descriptions import DescriptionError, read_descriptions, write_descriptions
from projects.msta.descriptions.file import load_file, load_published
from projects.msta.descriptions.schema import FORMAT, Descriptions
from projects.msta.labels import LabelError, humanize_label, make_prompts, read_labels
from projects.msta.tokenizer import EOT, SOT, VOCAB_SIZE, encode, tokenize
from tests.test_tokenizer import reference

SHORT, FULL = 40, 300
# Also what is no text: halves of surrogate pairs, controls, marks of byte order.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
NAMES = st.lists(
    st.one_of(
        st.text(max_size=30), st.sampled_from(['run', 'a, b', '"x"', '0,run', 'id,name', '😀'])
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope='module')
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('scratch')


@pytest.fixture
def each(chaos):
    """Call a check with many generated values; count them."""

    def run(fault: str, seen: str, check: Callable[..., None], *values: st.SearchStrategy) -> None:
        number = chaos.times(SHORT, FULL)
        example = settings(
            max_examples=number,
            deadline=None,
            database=None,
            derandomize=not chaos.full,
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
        )
        with chaos.attempt(fault, seen, number):
            example(given(*values)(check))()

    return run


def said(kind: type[Exception], word: str, read: Callable[..., Any], *arguments: Any) -> Any:
    """What ``read`` gives; None if it refuses by the one kind of error, in few words."""
    try:
        return read(*arguments)
    except kind as error:
        message = str(error)
    assert word in message and len(message) < 5000
    return None


def valid(names: list[str]) -> list[str] | None:
    return said(LabelError, '', read_labels, names)


def test_label_files_of_any_bytes(each, scratch):
    def check(data: bytes, name: str) -> None:
        (scratch / name).write_bytes(data)
        names = said(LabelError, name, read_labels, scratch / name)
        assert names is None or names == read_labels(names)

    lines = st.lists(st.one_of(ANY_TEXT, st.from_regex(r'\d{1,3},.*')), max_size=6)
    encoded = st.builds(
        lambda lines, end, code: end.join(lines).encode(code, 'surrogatepass'),
        lines,
        st.sampled_from(['\n', '\r\n', '\r', ',']),
        st.sampled_from(['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32']),
    )
    anything = st.one_of(st.binary(max_size=200), encoded)
    files = st.sampled_from(['a.txt', 'a.csv'])
    each(
        'label files of any bytes',
        'the names, or a line with file and line',
        check,
        anything,
        files,
    )


def test_names_survive_the_way_through_files(each, scratch):
    def check(given_names: list[str], seed: int) -> None:
        names = valid(given_names)
        if names is None:
            return
        rows = list(enumerate(names))
        random.Random(seed).shuffle(rows)
        with (scratch / 'b.csv').open('w', encoding='utf-8', newline='') as file:
            csv.writer(file).writerows([('id', 'name'), *rows])
        assert read_labels(scratch / 'b.csv') == names
        if not any(name[:1].isdigit() or name[:1] == '\ufeff' or ',' in name for name in names):
            (scratch / 'b.txt').write_bytes('\r\n'.join(names).encode())
            assert read_labels(scratch / 'b.txt') == names
        assert len(make_prompts(names)) == len(names)

    each('class names through files', 'the same names', check, NAMES, st.integers(0, 9))


def test_any_argument_as_labels(each):
    def check(text: str) -> None:
        names = said(LabelError, 'shipped lists', read_labels, text)
        assert names is None or names
        humanize_label(text)

    words = st.sampled_from(['~', '~nobody/x', '/', '.', '', '\x00', 'x' * 5000, '/dev/null', '%'])
    each('any text as --labels', 'a line with the shipped lists', check, st.one_of(ANY_TEXT, words))


VIDEOS = st.lists(
    st.builds(Video, st.text('abc /é😀', min_size=1, max_size=8), st.integers(0, 5)),
    min_size=1,
    max_size=60,
    unique_by=lambda video: video.path,
)


def test_splits(each):
    def check(videos: list[Video], seed: int) -> None:
        shuffled = random.Random(seed).sample(videos, len(videos))
        sizes = Counter(video.label for video in videos)
        before: set[Video] = set()
        for shots in (1, 2, 4, 8):
            chosen = few_shot(videos, shots, seed, allow_fewer=True)
            assert chosen == few_shot(shuffled, shots, seed, allow_fewer=True)
            assert before <= set(chosen) <= set(videos) and len(set(chosen)) == len(chosen)
            found = Counter(video.label for video in chosen)
            assert found == {label: min(shots, size) for label, size in sizes.items()}
            before = set(chosen)
        base, novel = base_and_novel(videos, 6)
        assert sorted(base + novel) == list(range(6)) and len(base) == 3
        assert min(sizes[label] for label in base) >= max(sizes[label] for label in novel)
        assert class_sample(base, 2, seed) == class_sample(base[::-1], 2, seed)
        if min(sizes.values()) > 1:
            train, val = train_val(videos, 0.3, seed)
            assert sorted([*train, *val], key=lambda v: v.path) == sorted(
                videos, key=lambda v: v.path
            )
            assert {v.label for v in val} == {v.label for v in train} == set(sizes)

    seen = 'nested, of every class as many, the same for a seed in any order of the list'
    each('splits of any list', seen, check, VIDEOS, st.integers(0, 1000))


def test_lists_of_videos(each, scratch):
    def check(videos: list[Video], data: bytes) -> None:
        kept = [video for video in videos if video.path.strip()]
        if kept:
            write_annotations(scratch / 'list.txt', kept)
            found = read_annotations(scratch / 'list.txt')
            assert found == [Video(video.path.strip(), video.label) for video in kept]
        for name in ('any.txt', 'any.csv'):
            (scratch / name).write_bytes(data)
            for read in (read_annotations, read_skip_list):
                said(AnnotationError, name, read, scratch / name)

    text = st.lists(ANY_TEXT, max_size=5).map(lambda t: '\n'.join(t).encode('utf-8', 'replace'))
    anything = st.one_of(st.binary(max_size=200), text, st.just(b'a ' + b'9' * 5000))
    each('lists of videos', 'the videos, or a line with file and line', check, VIDEOS, anything)


SENTENCES = st.text(max_size=40).filter(str.strip)


def test_descriptions_survive_the_way_through_a_file(each, scratch):
    def check(given_names: list[str], texts: list[str], meta: dict) -> None:
        names = valid(given_names)
        if names is None:
            return
        made = Descriptions(
            names=names,
            spatial=[texts] * len(names),
            temporal=[texts[::-1]] * len(names),
            meta=meta,
        )
        write_descriptions(scratch / 'd.json', made)
        assert read_descriptions(scratch / 'd.json', names) == made

    values = st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text()))
    texts = st.lists(SENTENCES, min_size=1, max_size=4)
    each('descriptions of any text', 'the same text', check, NAMES, texts, values)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)
RECORDS = st.fixed_dictionaries({'name': ANY_TEXT, 'spatial': JSON, 'temporal': JSON})
OURS = st.fixed_dictionaries(
    {'format': st.just(FORMAT), 'classes': st.one_of(JSON, st.lists(RECORDS, max_size=3))},
    optional={'meta': JSON, 'more': JSON},
)
THEIRS = st.fixed_dictionaries({'0': JSON, '1': st.lists(ANY_TEXT, max_size=3)})


def test_any_json_as_descriptions(each, scratch):
    path = scratch / 'any.json'

    def check(data: object) -> None:
        if isinstance(data, bytes):
            path.write_bytes(data)
        else:
            path.write_text(json.dumps(data), encoding='utf-8')
        for read in (
            load_file,
            lambda path: load_published(path, ['a', 'b']),
            lambda path: read_descriptions(path, ['a', 'b'], 8),
            lambda path: read_descriptions((path, path), ['a', 'b'], 8),
        ):
            said(DescriptionError, 'any.json', read, path)

    nested = [b'[' * 100_000, b'{"a":' * 100_000, b'\xef\xbb\xbf{}', b'9' * 5000, b'"\\ud800"']
    anything = st.one_of(JSON, OURS, THEIRS, st.binary(max_size=100), st.sampled_from(nested))
    each('any JSON as descriptions', 'a line with the file and what is wrong', check, anything)


def test_any_text_through_the_tokenizer(each):
    def check(texts: list[str], context: int) -> None:
        rows = tokenize(texts, context)
        assert rows == reference()(texts, context).tolist()
        for text, row in zip(texts, rows, strict=True):
            ids = encode(text)
            assert ids == reference().encode(text)
            assert all(0 <= index < VOCAB_SIZE for index in ids)
            end = min(len(ids) + 1, context - 1)
            assert len(row) == context and row[0] == SOT and row[end] == EOT
            assert not any(row[end + 1 :])

    texts = st.lists(ANY_TEXT, min_size=1, max_size=4)
    seen = "ids equal to OpenAI's tokenizer"
    each('any text through the tokenizer', seen, check, texts, st.integers(3, 77))
