"""Labels that do not fit the class list stop a run before the first iteration."""

import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.runner import Runner

from projects.msta.engine.label_check import check_dataset_labels
from projects.msta.labels import LabelError
from tests.engine.toy_run import Points, make_config


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_a_label_out_of_range_stops_the_run(tmp_path, split):
    cfg = make_config(tmp_path, epochs=1)
    cfg[f'{split}_dataloader'].dataset.ann_file = f'{split}_list.txt'
    cfg.model.labels = ['only']
    if split != 'train':
        cfg.train_dataloader.dataset.size = 1
    runner = Runner.from_cfg(cfg)
    with pytest.raises(LabelError) as error:
        runner.test() if split == 'test' else runner.train()
    message = str(error.value)
    assert f'{split}_list.txt' in message
    assert 'label 1' in message and '1 classes' in message and 'entry 2' in message
    assert runner.iter == 0


def test_validation_alone_is_checked(tmp_path):
    runner = Runner.from_cfg(make_config(tmp_path, model=dict(labels=['only'])))
    with pytest.raises(LabelError):
        runner.val()


def test_wrapped_data_sets_are_looked_into():
    joined = ConcatDataset([Points(1, 'good.txt'), Points(2, 'bad.txt')])
    for wrapped in (joined, RepeatDataset(Points(2, 'bad.txt'), 2)):
        check_dataset_labels(wrapped, ['a', 'b'])
        with pytest.raises(LabelError, match=r'bad\.txt'):
            check_dataset_labels(wrapped, ['a'])


def test_another_number_of_known_classes_is_an_error():
    dataset = Points(2, 'three.txt', metainfo={'classes': ['a', 'b', 'c']})
    with pytest.raises(LabelError, match=r'three\.txt.*3 classes.*model 2'):
        check_dataset_labels(dataset, ['a', 'b'])


def test_several_labels_a_video_are_each_checked():
    class Multi(Points):
        def load_data_list(self):
            return [{'x': 0.0, 'label': [0, 5], 'filename': 'clip.mp4'}]

    with pytest.raises(LabelError, match=r'clip\.mp4 has the label 5'):
        check_dataset_labels(Multi(), ['a', 'b'])


def test_a_model_without_a_class_list_is_left_alone(tmp_path):
    runner = Runner.from_cfg(make_config(tmp_path, epochs=1))
    del runner.model.labels
    runner.train()
    assert runner.epoch == 1
