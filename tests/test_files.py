"""Files written whole or not at all."""

import json

import pytest

from projects.msta.files import replacing, write_json, write_text
from projects.msta.inference import results


def test_a_file_appears_only_when_it_is_done(tmp_path):
    path = tmp_path / 'new folder' / 'a.mp4'
    with replacing(path) as temporary:
        assert temporary.suffix == '.mp4' and temporary.parent == path.parent
        temporary.write_bytes(b'whole')
        assert not path.exists()
    assert path.read_bytes() == b'whole'
    assert [p.name for p in path.parent.iterdir()] == ['a.mp4']


def fail_half_way(path, failure):
    with replacing(path) as temporary:
        temporary.write_text('half')
        raise failure


@pytest.mark.parametrize('failure', [ValueError, KeyboardInterrupt, OSError])
def test_a_failure_leaves_what_was_there(tmp_path, failure):
    path = tmp_path / 'a.txt'
    write_text(path, 'old\r\n')
    with pytest.raises(failure):
        fail_half_way(path, failure)
    assert path.read_bytes() == b'old\r\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_replaces_nothing(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == 'old'


def test_json_is_readable_text(tmp_path):
    write_json(tmp_path / 'a.json', {'name': 'café'}, indent=1)
    text = (tmp_path / 'a.json').read_text(encoding='utf-8')
    assert 'café' in text and text.endswith('}\n')
    assert json.loads(text) == {'name': 'café'}


def test_names_of_any_bytes_are_written_as_they_are(tmp_path):
    name = b'caf\xe9'.decode('utf-8', 'surrogateescape')
    write_text(tmp_path / 'list.txt', name)
    assert (tmp_path / 'list.txt').read_bytes() == b'caf\xe9'
    results.write_text(tmp_path / 'results.json', json.dumps([name], ensure_ascii=False))
    assert json.loads((tmp_path / 'results.json').read_text(encoding='utf-8')) == [name]
