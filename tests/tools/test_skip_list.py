"""--skip-list of the training and testing tools reaches every data set."""

import pytest
from mmengine.config import Config

from projects.msta.training import launch
from projects.msta.training.config import use_skip_list

CONFIG = """
model = dict()
train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dict(type='A')))
val_dataloader = dict(dataset=dict(type='A'))
test_dataloader = None
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    (tmp_path / 'skip.txt').write_text('a b.mp4\tempty file\n')
    return path


def test_skip_list_reaches_every_data_set(config):
    skip = str(config.with_name('skip.txt'))
    made = launch.make_train_config(config, skip_list=skip)
    for cfg in (made, launch.make_test_config(config, None, skip_list=skip)):
        assert cfg.train_dataloader.dataset.dataset.skip_list == skip
        assert 'skip_list' not in cfg.train_dataloader.dataset
        assert cfg.val_dataloader.dataset.skip_list == skip
        assert cfg.test_dataloader is None


def test_missing_skip_list_is_an_error(config):
    with pytest.raises(FileNotFoundError, match=r'no skip list .*none.txt'):
        use_skip_list(Config.fromfile(config), config.with_name('none.txt'))
