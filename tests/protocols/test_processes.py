"""Locks, errors of tools, and the parts of a manifest."""

import threading

import pytest
from mmengine.config import Config

from projects.msta.protocols.definitions import ProtocolError
from projects.msta.protocols.manifest import check_same, digest_of, read_json, views, write_manifest
from projects.msta.protocols.processes import Processes, locked


def test_folder_that_another_works_in_is_waited_for(tmp_path, capsys):
    entered = []

    def enter() -> None:
        with locked(tmp_path):
            entered.append('second')

    with locked(tmp_path):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        entered.append('first')
    thread.join(10)
    assert entered == ['first', 'second']
    assert 'waiting for another process' in capsys.readouterr().out


def test_failed_tool_is_quoted(tmp_path):
    log = tmp_path / 'log'
    with locked(tmp_path) as lock, pytest.raises(ProtocolError, match=r'no config file .*none\.py'):
        Processes().run('train', [tmp_path / 'none.py'], log, lock, 'run')
    assert 'error: ' in log.read_text()


def test_run_of_other_makings_is_refused_by_what_differs(tmp_path):
    write_manifest(tmp_path, identity={'seed': 1, 'train_list': 'abc'})
    check_same(tmp_path, {'seed': 1, 'train_list': 'abc'})
    with pytest.raises(ProtocolError, match='train_list: abc -> abd'):
        check_same(tmp_path, {'seed': 1, 'train_list': 'abd'})
    write_manifest(tmp_path, finished=True)
    assert read_json(tmp_path / 'manifest.json')['identity']['seed'] == 1


def test_hash_is_of_the_content_not_of_its_form():
    one = Config({'a': {'b': (1, 2), 'c': 0.5}}).a
    assert digest_of(one) == digest_of({'c': 0.5, 'b': [1, 2]})
    assert digest_of(one) != digest_of({'c': 0.5, 'b': [2, 1]})


@pytest.mark.parametrize(
    ('clips', 'crop', 'expected'), [(10, 'ThreeCrop', '10 x 3'), (None, 'CenterCrop', '1 x 1')]
)
def test_views_are_counted_from_the_pipeline(clips, crop, expected):
    sample = dict(type='UniformSample', clip_len=8, **({'num_clips': clips} if clips else {}))
    pipeline = [dict(type='MSTAVideoInit'), sample, dict(type=crop, crop_size=224)]
    assert views(Config({'test_dataloader': {'dataset': {'pipeline': pipeline}}})) == expected
