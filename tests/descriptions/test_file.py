"""Description files of both forms, and the errors of unusable ones."""

import errno
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.msta.descriptions import (
    DescriptionError,
    Descriptions,
    DescriptionWarning,
    read_descriptions,
    write_descriptions,
)
from projects.msta.descriptions.file import load_file

NAMES = ['abseiling', 'air drumming', 'ApplyEyeMakeup']


def descriptions(names=NAMES, num=2):
    return Descriptions(
        names=list(names),
        spatial=[[f'A video about {name} look {i}.' for i in range(num)] for name in names],
        temporal=[[f'A video of {name} step {i}.' for i in range(num)] for name in names],
        meta={'model': 'writer'},
    )


def write_pair(tmp_path, spatial, temporal):
    paths = (tmp_path / 's.json', tmp_path / 't.json')
    for path, column in zip(paths, (spatial, temporal), strict=True):
        data = dict(enumerate(column)) if isinstance(column, list) else column
        path.write_text(json.dumps(data), encoding='utf-8')
    return paths


def test_a_file_is_matched_by_name_in_any_order(tmp_path):
    path = tmp_path / 'd.json'
    write_descriptions(path, descriptions())
    assert read_descriptions(path, NAMES) == descriptions()
    part = read_descriptions(str(path), ['air drumming', 'abseiling'])
    assert part.names == ['air drumming', 'abseiling']
    assert part.spatial[1] == ['A video about abseiling look 0.', 'A video about abseiling look 1.']
    assert part.temporal[0][1] == 'A video of air drumming step 1.'
    assert part.meta == {'model': 'writer'}
    assert list(tmp_path.iterdir()) == [path]


def test_identifiers_and_words_name_the_same_class(tmp_path):
    path = tmp_path / 'd.json'
    write_descriptions(path, descriptions())
    found = read_descriptions(path, ['Abseiling', 'apply eye makeup'])
    assert found.names == ['Abseiling', 'apply eye makeup']
    assert found.temporal[1][0] == 'A video of ApplyEyeMakeup step 0.'


def test_classes_that_differ_only_in_case_need_their_exact_names(tmp_path):
    path = tmp_path / 'd.json'
    write_descriptions(path, descriptions(['Run', 'run']))
    assert read_descriptions(path, ['run']).temporal == [
        ['A video of run step 0.', 'A video of run step 1.']
    ]
    with pytest.raises(DescriptionError, match="lacks 1 of the 1 classes: 'RUN'"):
        read_descriptions(path, ['RUN'])


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_any_text_survives_the_file(texts):
    original = Descriptions(names=['a'], spatial=[texts], temporal=[texts[::-1]])
    with tempfile.TemporaryDirectory() as folder:
        write_descriptions(Path(folder, 'a.json'), original)
        assert load_file(Path(folder, 'a.json')) == original


def test_the_same_content_gives_the_same_bytes(tmp_path):
    write_descriptions(tmp_path / 'a.json', descriptions())
    write_descriptions(tmp_path / 'b.json', read_descriptions(tmp_path / 'a.json', NAMES))
    assert (tmp_path / 'a.json').read_bytes() == (tmp_path / 'b.json').read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'd.json'
    write_descriptions(path, descriptions())
    before = path.read_bytes()

    def half(file, data):
        with file.open('wb') as opened:
            opened.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(type(path), 'write_bytes', half)
    with pytest.raises(OSError, match='No space left'):
        write_descriptions(path, descriptions(['other']))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_published_pair_is_matched_by_index(tmp_path):
    made = descriptions()
    found = read_descriptions(write_pair(tmp_path, made.spatial, made.temporal), NAMES)
    assert (found.spatial, found.temporal) == (made.spatial, made.temporal)


def test_missing_classes_are_named(tmp_path):
    path = tmp_path / 'd.json'
    write_descriptions(path, descriptions())
    with pytest.raises(DescriptionError, match="lacks 2 of the 3 classes: 'ski'; 'swim'"):
        read_descriptions(path, ['abseiling', 'ski', 'swim'])


def test_a_wrong_class_count_is_named(tmp_path):
    made = descriptions()
    pair = write_pair(tmp_path, made.spatial, made.temporal)
    with pytest.raises(
        DescriptionError, match="3 classes, the label list 4: class 3 'ski' is miss"
    ):
        read_descriptions(pair, [*NAMES, 'ski'])
    with pytest.raises(DescriptionError, match="index '2' is not one of the classes"):
        read_descriptions(pair, NAMES[:2])


@pytest.mark.parametrize(
    ('entries', 'message'),
    [
        (['one'], "class 1 'air drumming' has 1 spatial descriptions, 2 are usual"),
        ([], "class 1 'air drumming' has no spatial"),
        (['one', ' '], "class 1 'air drumming': spatial description 2 is empty"),
        (['one', 3], "class 1 'air drumming' is not a list of texts"),
        ('one', "class 1 'air drumming' is not a list of texts"),
    ],
)
def test_unequal_or_empty_entries_are_named(tmp_path, entries, message):
    made = descriptions()
    spatial = [made.spatial[0], entries, made.spatial[2]]
    with pytest.raises(DescriptionError, match=message):
        read_descriptions(write_pair(tmp_path, spatial, made.temporal), NAMES)


def test_swapped_files_are_noticed(tmp_path):
    step = 'A video of x generally involves the following step: y, which is a sub-step.'
    pair = write_pair(tmp_path, [[step]], [['A video about y.']])
    with pytest.raises(DescriptionError, match='give the spatial file first'):
        read_descriptions(pair, ['x'])
    assert read_descriptions(pair[::-1], ['x']).temporal == [[step]]


STEP = 'A video of {} generally involves the following step: y, which is a sub-step.'


def test_a_pair_for_a_list_in_another_order_is_refused(tmp_path):
    """By index alone every class would get another one's descriptions, without a word."""
    spatial = [[f'A video about look {i}.'] for i in range(3)]
    temporal = [
        [STEP.format(name)] for name in ('abseiling', 'drumming in air', 'apply eye makeup')
    ]
    pair = write_pair(tmp_path, spatial, temporal)
    assert read_descriptions(pair, NAMES).temporal == temporal
    with pytest.raises(
        DescriptionError,
        match="class 0 'ApplyEyeMakeup' is described as 'abseiling'; class 2 'abseiling'",
    ):
        read_descriptions(pair, NAMES[::-1])


def test_a_pair_for_another_list_of_the_same_length_is_noticed(tmp_path):
    names = [f'number {i}' for i in range(12)]
    pair = write_pair(tmp_path, [['a look']] * 12, [[STEP.format(name)] for name in names])
    with pytest.warns(DescriptionWarning, match='none of its 12 sentences names its class'):
        read_descriptions(pair, [f'class {i}' for i in range(12)])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read_descriptions(pair, [*names[:11], 'another'])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'cannot be read as JSON'),
        ('{"0": ["a"], "0": ["b"]}', "key '0' appears twice"),
        ('[' * 100_000, 'cannot be read as JSON'),
        ('{"0": ["a"]}', 'one half of the published form'),
        ('[]', 'is not a description file'),
        ('{"format": "msta-descriptions-2"}', 'another version'),
        ('{"format": "msta-descriptions-1", "classes": [{"name": "a"}]}', r'classes\.0\.spatial'),
    ],
)
def test_unreadable_files_are_explained(tmp_path, content, message):
    path = tmp_path / 'd.json'
    path.write_text(content, encoding='utf-8')
    with pytest.raises(DescriptionError, match=message):
        read_descriptions(path, NAMES)


def test_other_encodings_and_missing_files_are_explained(tmp_path):
    path = tmp_path / 'd.json'
    path.write_bytes('{"é": 1}'.encode('latin-1'))
    with pytest.raises(DescriptionError, match='cannot be read as JSON'):
        read_descriptions(path, NAMES)
    with pytest.raises(DescriptionError, match='no description file'):
        read_descriptions(tmp_path / 'none.json', NAMES)
    with pytest.raises(DescriptionError, match='3 description files'):
        read_descriptions([path] * 3, NAMES)


def test_texts_over_the_context_are_reported(tmp_path):
    made = descriptions()
    made.temporal[1][0] = 'word ' * 40
    path = tmp_path / 'd.json'
    write_descriptions(path, made)
    with pytest.warns(DescriptionWarning, match=r"1 sentences .* 32 tokens.*'air drumming' \(42 t"):
        assert read_descriptions(path, NAMES, context_length=32) == made
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read_descriptions(path, NAMES, context_length=77)


def test_reading_does_not_import_torch_or_the_client():
    code = (
        'import sys; import projects.msta.descriptions; '
        'sys.exit(bool({"torch", "openai", "numpy"} & set(sys.modules)))'
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, '-c', code], cwd=root).returncode == 0
