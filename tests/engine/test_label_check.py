"""Labels that do not fit the class list stop a run before the first iteration."""

from types import SimpleNamespace

import pytest
from mmaction.evaluation import AccMetric
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.runner import Runner

from projects.msta.engine.label_check import (
    check_class_folders,
    check_dataset_labels,
    check_multi_class,
)
from projects.msta.evaluation.metric import MSTAMetric
from projects.msta.evaluation.multi_label import MultiLabelMetric
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


@pytest.mark.parametrize(
    ('several', 'head', 'metric', 'words'),
    [
        (True, False, None, r'multi_class=True, but the model cls_head\.multi_class=False'),
        (False, True, None, r'multi_class=False, but the model cls_head\.multi_class=True'),
        (True, True, MSTAMetric(), r"MSTAMetric measures one label.*type='MultiLabelMetric'"),
        (True, True, AccMetric(), r"AccMetric measures one label.*type='MultiLabelMetric'"),
        (False, False, MultiLabelMetric(), r"several label.*type='MSTAMetric'"),
    ],
)
def test_one_label_and_several_are_not_mixed(several, head, metric, words):
    dataset, labels = Points(2, 'list.txt'), ['a', 'b']
    dataset.multi_class, dataset.num_classes = several, 2
    model = SimpleNamespace(cls_head=SimpleNamespace(multi_class=head), labels=labels)
    metrics = [] if metric is None else [metric]
    with pytest.raises(LabelError, match=words):
        check_multi_class(dataset, metrics, model)


def test_mean_average_precision_of_mmaction2_is_taken():
    dataset = Points(2, 'list.txt')
    dataset.multi_class, dataset.num_classes = True, 2
    model = SimpleNamespace(cls_head=SimpleNamespace(multi_class=True), labels=['a', 'b'])
    check_multi_class(dataset, [AccMetric('mean_average_precision')], model)
    model.labels = ['a']
    with pytest.raises(LabelError, match='num_classes=2, but the model 1 labels'):
        check_multi_class(dataset, [], model)


def test_a_model_without_a_class_list_is_left_alone(tmp_path):
    runner = Runner.from_cfg(make_config(tmp_path, epochs=1))
    del runner.model.labels
    runner.train()
    assert runner.epoch == 1


class Clips(Points):
    """Videos in class folders, as MSTAVideoDataset tells them."""

    def __init__(self, paths: list[str], labels: list[int]) -> None:
        self.paths, self.own = paths, labels
        super().__init__(len(paths), 'clips.txt')

    def load_data_list(self):
        pairs = zip(self.paths, self.own, strict=True)
        return [dict(x=0.0, label=label, name=path, filename=path) for path, label in pairs]


def test_a_class_list_in_another_order_than_the_folders_is_refused():
    paths = ['push/a.mp4', 'push/b.mp4', 'pull/c.mp4']
    assert check_class_folders(Clips(paths, [0, 0, 1]), ['push', 'pull']) == []
    with pytest.raises(LabelError, match=r'clips\.txt: 3 of 3 videos lie in the folder of another'):
        check_class_folders(Clips(paths, [0, 0, 1]), ['pull', 'push'])
    # One video that lies wrong is no reason to stop.
    (warning,) = check_class_folders(Clips(paths, [0, 1, 1]), ['push', 'pull'])
    assert 'clips.txt: 1 of 3 videos' in warning and 'push/b.mp4' in warning
    assert check_class_folders(Clips(['x/1.mp4'], [0]), ['push', 'pull']) == []
    # As the Shapes world has them: the folder leaves out the article.
    with pytest.raises(LabelError, match='2 of 2 videos'):
        check_class_folders(Clips(['ring_left/1.mp4'] * 2, [1, 1]), ['a ring left', 'a bar left'])


def test_a_single_class_and_a_loss_without_descriptions_are_said(tmp_path, capsys):
    cfg = make_config(tmp_path, epochs=1, model=dict(labels=['only']))
    cfg.train_dataloader.dataset.size = cfg.val_dataloader.dataset.size = 1
    cfg.log_level = 'WARNING'
    runner = Runner.from_cfg(cfg)
    runner.model.descriptions = None
    runner.model.cls_head = SimpleNamespace(alpha=1.0, targets=('spatial', 'temporal'))
    runner.train()
    said = capsys.readouterr().out
    assert "the only class is 'only'" in said
    assert 'model.descriptions is None: the consistency loss, alpha=1' in said


def test_what_is_as_it_should_be_is_not_warned_of(tmp_path, capsys):
    runner = Runner.from_cfg(make_config(tmp_path, epochs=1, log_level='WARNING'))
    runner.model.descriptions = None
    runner.model.cls_head = SimpleNamespace(alpha=1.0, targets=('template',))
    runner.train()
    said = capsys.readouterr().out
    assert 'only class' not in said and 'descriptions' not in said
