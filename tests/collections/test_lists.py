"""Lists as text, CSV and Parquet, and what is wrong with them before any work."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from projects.msta.collections import CollectionError
from projects.msta.collections.lists import open_list

NAMES = ['a b.mp4', 'ü, "quoted".mp4', 'c.mp4']


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'c.mp4').touch()
    return tmp_path


def write(folder, kind):
    path = folder / f'list.{kind}'
    if kind == 'txt':
        path.write_text('\n'.join([NAMES[0], '', *NAMES[1:]]), encoding='utf-8-sig')
    elif kind == 'parquet':
        pq.write_table(pa.table({'id': [0, 1, 2], 'video': NAMES}), path)
    else:
        with path.open('w', newline='') as file:
            writer = csv.writer(file, delimiter='\t' if kind == 'tsv' else ',')
            writer.writerows([['id', 'video'], *enumerate(NAMES)])
    return str(path)


def test_every_kind_of_list_is_the_same_list(folder):
    found = [open_list(write(folder, kind), 'video') for kind in ('txt', 'csv', 'tsv', 'parquet')]
    assert [list(videos) for videos in found] == [NAMES] * 4
    assert {(videos.count, videos.digest) for videos in found} == {(3, found[0].digest)}
    (folder / 'other.txt').write_text('\n'.join(reversed(NAMES)))
    assert open_list('other.txt').digest != found[0].digest


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        ('a.txt', b'\n \n', 'lists no videos'),
        ('a.txt', b'caf\xe9.mp4\n', 'not UTF-8'),
        ('a.txt', b'x.mp4\ny.mp4\n', 'none of the first 2 files exists, such as /.*x.mp4'),
        ('a.txt', b'what://x.mp4', 'what:// is not a kind of address'),
        ('a.csv', b'id,videos\n1,c.mp4\n', "no column 'video' .did you mean 'videos'.*it has id"),
        ('a.csv', b'id,video\n1,c.mp4\n2,\n', "entry 2: '' in column 'video'"),
        ('a.csv', b'id,video\n1,c.mp4\n2\n', 'entry 2: None'),
        ('a.parquet', b'PAR1 not', 'cannot be read as Parquet'),
    ],
)
def test_what_is_wrong_is_said_before_any_work(folder, name, content, words):
    (folder / name).write_bytes(content)
    with pytest.raises(CollectionError, match=words):
        open_list(name, 'video')


def test_relative_paths_start_at_the_root(folder):
    (folder / 'list.txt').write_text('c.mp4\n')
    assert open_list('list.txt', root=folder).count == 1
    with pytest.raises(CollectionError, match='none of the first 1 files'):
        open_list('list.txt', root=folder / 'elsewhere')
