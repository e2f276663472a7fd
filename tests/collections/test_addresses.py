"""Files at other addresses: copied while they are read, and packages that are missing."""

from pathlib import Path

import fsspec
import pytest

from projects.msta.collections import CollectionError, MissingPackageError
from projects.msta.collections.addresses import absolute, check_protocol, local_file


def test_a_remote_file_is_a_local_copy_for_as_long_as_it_is_read():
    address = 'memory://clips/a clip.mp4'
    with fsspec.open(address, 'wb') as file:
        file.write(b'content')
    with local_file(address) as path:
        assert Path(path).read_bytes() == b'content' and path.endswith('.mp4')
    assert not Path(path).exists()
    with pytest.raises(FileNotFoundError), local_file('memory://clips/gone.mp4'):
        pass


def test_a_local_file_is_itself(tmp_path):
    for address in ('a.mp4', 'file://a.mp4', str(tmp_path / 'a.mp4'), f'file://{tmp_path}/a.mp4'):
        with local_file(absolute(address, tmp_path)) as path:
            assert path == str(tmp_path / 'a.mp4')
    assert absolute('s3://bucket/a.mp4', tmp_path) == 's3://bucket/a.mp4'


def test_a_missing_package_is_named(monkeypatch):
    def missing(protocol):
        raise ImportError('no')

    monkeypatch.setattr(fsspec, 'get_filesystem_class', missing)
    with pytest.raises(MissingPackageError, match=r's3:// addresses need .* s3fs'):
        check_protocol('s3://bucket/a.mp4')
    with pytest.raises(MissingPackageError, match=r'gs:// addresses need .* gcsfs'):
        check_protocol('gs://bucket/a.mp4')


def test_an_unknown_kind_is_refused():
    with pytest.raises(CollectionError, match='what:// is not a kind of address'):
        check_protocol('what://bucket/a.mp4')
