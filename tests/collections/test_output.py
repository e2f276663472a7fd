"""The folder: whole shards or none, one process, one kind of answers."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from projects.msta.collections import CollectionError
from projects.msta.collections.output import MANIFEST, open_output
from projects.msta.collections.recognizing import Answer

SETTINGS = {'labels': ['a', 'b'], 'topk': 2}


def table(*errors):
    return pa.table({'error': pa.array(errors, pa.string())})


def test_a_shard_is_written_when_the_last_of_its_parts_is_there(tmp_path):
    with open_output(tmp_path / 'out', SETTINGS) as output:
        parts = [
            Answer(0, 1, 0, True, table('c')),
            Answer(0, 0, 1, True, table('b')),
            Answer(1, 0, 0, True, table(None)),
            Answer(0, 0, 0, False, table(None, 'a')),
        ]
        assert [output.add(part, 2 - part.shard) for part in parts] == [False, False, True, True]
        rows = pq.read_table(output.path(0))['error'].to_pylist()
        assert rows == [None, 'a', 'b', 'c']
        assert [output.errors_in(shard) for shard in range(3)] == [3, 0, None]


def test_what_fails_or_is_killed_leaves_no_shard(tmp_path):
    def tables():
        yield table(None)
        raise KeyboardInterrupt

    with open_output(tmp_path / 'out', SETTINGS) as output:
        with pytest.raises(KeyboardInterrupt):
            output.write(0, tables())
        assert output.errors_in(0) is None
    killed = tmp_path / 'out' / '.shard-00000000.123.tmp.parquet'
    killed.write_bytes(b'half')
    with open_output(tmp_path / 'out', SETTINGS) as output:
        assert not killed.exists() and not list(output.folder.glob('*.parquet'))


def test_other_settings_are_refused_and_named(tmp_path):
    with open_output(tmp_path / 'out', SETTINGS):
        pass
    with (
        pytest.raises(CollectionError, match=r'labels: \["a", "b"\] there, \["a", "c"\] now'),
        open_output(tmp_path / 'out', {**SETTINGS, 'labels': ['a', 'c']}),
    ):
        pass


def test_a_folder_of_something_else_and_a_foreign_shard_are_refused(tmp_path):
    (tmp_path / 'mine.txt').touch()
    with pytest.raises(CollectionError, match='not a collection'), open_output(tmp_path, SETTINGS):
        pass
    with open_output(tmp_path / 'out', SETTINGS) as output:
        pq.write_table(table(None), output.path(0))
        with pytest.raises(CollectionError, match=f'another collection than the {MANIFEST}'):
            output.errors_in(0)
        output.path(0).write_bytes(b'PAR1')
        with pytest.raises(CollectionError, match='damaged'):
            output.errors_in(0)


def test_one_process_at_a_time(tmp_path):
    with (
        open_output(tmp_path / 'out', SETTINGS),
        pytest.raises(CollectionError, match='one process at a time'),
        open_output(tmp_path / 'out', SETTINGS),
    ):
        pass
