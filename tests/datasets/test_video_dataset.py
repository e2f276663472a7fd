"""Unreadable videos in training and testing, through real DataLoaders."""

import copy

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from projects.msta.datasets.lists.annotations import AnnotationError
from projects.msta.datasets.random_state import seeded
from projects.msta.datasets.video_dataset import MSTAVideoDataset, TooManyUnreadableVideosError
from tests.videos import write_mp4

PIPELINE = [
    dict(type='MSTAVideoInit', limit_sec=20.0),
    dict(type='UniformSample', clip_len=2, num_clips=1, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
BROKEN = {2: 'text.mp4', 5: 'missing file.mp4'}


@pytest.fixture
def root(tmp_path):
    """Ten videos of two classes in turn; number 2 is text and number 5 is missing."""
    (tmp_path / 'video files').mkdir()
    lines = []
    for index in range(10):
        name = f'video files/{BROKEN.get(index, f"clip {index}.mp4")}'
        if index not in BROKEN:
            write_mp4(tmp_path / name, num_frames=4, seed=index)
        lines.append(f'{name} {index % 2}\n')
    (tmp_path / 'video files' / 'text.mp4').write_text('no video')
    (tmp_path / 'list.txt').write_text(''.join(lines))
    return tmp_path


@pytest.fixture
def log(tmp_path):
    """The log file of a run, which the DataLoader's workers write to as well."""
    path = tmp_path / 'run.log'
    MMLogger.get_instance('test_video_dataset', log_file=str(path))
    yield path
    logger = MMLogger._instance_dict.pop('test_video_dataset')
    for handler in logger.handlers:
        handler.close()


def build(root, **kwargs) -> MSTAVideoDataset:
    config = dict(
        type='MSTAVideoDataset',
        ann_file='list.txt',
        data_root=str(root),
        pipeline=copy.deepcopy(PIPELINE),
    )
    return DATASETS.build(config | kwargs)


def loader(dataset, workers: int, seed: int = 0, shuffle: bool = False):
    return Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='DefaultSampler', shuffle=shuffle),
        ),
        seed=seed,
    )


def test_every_readable_video_is_itself(root):
    dataset = build(root, test_mode=True)
    assert len(dataset) == 10
    sample = dataset[3]
    assert sample['inputs'].shape == (1, 3, 2, 32, 32)
    assert sample['data_samples'].gt_label.tolist() == [1]
    assert sample['data_samples'].filename == 'video files/clip 3.mp4'
    assert sample['data_samples'].decode_error == ''


@pytest.mark.parametrize('workers', [0, 2])
def test_training_replaces_names_once_and_counts(root, workers, log):
    batches = loader(build(root, max_failed=3), workers)
    epochs = [list(batches) for _ in range(3)]
    for epoch in epochs:
        assert sum(len(batch['inputs']) for batch in epoch) == 10
        labels = [int(s.gt_label) for batch in epoch for s in batch['data_samples']]
        assert labels == [0, 1] * 5  # a replacement is of the same class
    assert batches.dataset.failures == [
        ('video files/text.mp4', 'unreadable'),
        ('video files/missing file.mp4', 'missing'),
    ]
    printed = log.read_text()
    assert printed.count('text.mp4') == 1
    assert printed.count('missing file.mp4') == 1
    assert '2 failed of 10, the run stops above 3' in printed


def test_replacements_do_not_depend_on_workers_or_order(root):
    first = build(root, max_failed=3)
    second = build(root, max_failed=3)
    one = first[2]['inputs']
    second[5]
    second[7]
    assert one.equal(second[2]['inputs'])
    readable = [first[index]['inputs'] for index in (0, 4, 6, 8)]
    assert sum(one.equal(other) for other in readable) == 1


def test_a_replacement_draws_alike_whether_its_video_is_known_to_fail(root):
    def draw(results: dict) -> dict:
        return {**results, 'drawn': np.random.rand()}  # noqa: NPY002 - as the transforms do

    dataset = build(root, max_failed=3, pipeline=[draw, PIPELINE[0]])
    seen = set()
    for _ in range(3):  # 2 is tried, and then known to fail
        with seeded(7):
            seen.add(dataset[2]['drawn'])
    assert len(seen) == 1


def test_another_seed_gives_other_replacements(root):
    dataset = build(root, max_failed=3)
    dataset[2]
    picks = set()
    for dataset.seed in range(20):
        picks.add(dataset[2]['data_samples'].filename)
    assert picks == {f'video files/clip {index}.mp4' for index in (0, 4, 6, 8)}


@pytest.mark.parametrize('workers', [0, 2])
def test_too_many_unreadable_videos_stop_with_the_list(root, workers):
    batches = loader(build(root, max_failed=1), workers)
    with pytest.raises(TooManyUnreadableVideosError) as caught:
        list(batches)
    if workers:  # the traceback keeps them; ending them when it is collected takes 5 s each
        batches._iterator._shutdown_workers()
    message = str(caught.value)
    assert '2 of 10 videos cannot be read, 1 are allowed' in message
    assert 'text.mp4: not a video' in message
    assert 'missing file.mp4: file not found' in message


def test_the_bound_as_a_fraction_allows_one_at_least_and_zero_none(root):
    build(root, max_failed=0.01)[2]
    with pytest.raises(TooManyUnreadableVideosError, match='0 are allowed'):
        build(root, max_failed=0)[2]


def test_no_readable_video_at_all(tmp_path):
    (tmp_path / 'list.txt').write_text('a.mp4 0\nb.mp4 0\n')
    dataset = build(tmp_path, max_failed=5)
    with pytest.raises(TooManyUnreadableVideosError, match='none of the videos can be read'):
        dataset[0]


@pytest.mark.parametrize('workers', [0, 2])
def test_testing_keeps_and_marks_every_failure(root, workers, log):
    batches = loader(build(root, test_mode=True), workers)
    samples = [s for batch in batches for s in batch['data_samples']]
    errors = {s.filename: s.decode_error for s in samples if s.decode_error}
    assert len(samples) == 10
    assert errors == {
        'video files/text.mp4': 'unreadable',
        'video files/missing file.mp4': 'missing',
    }
    assert [int(s.gt_label) for s in samples] == [0, 1] * 5
    assert len(batches.dataset.failures) == 2
    printed = log.read_text()
    assert printed.count('text.mp4') == 1 and printed.count('missing file.mp4') == 1


def test_placeholder_has_the_shape_of_any_other_sample(root):
    views = copy.deepcopy(PIPELINE)
    views[1]['num_clips'] = 3
    views[3:4] = [dict(type='Resize', scale=(-1, 32)), dict(type='ThreeCrop', crop_size=32)]
    dataset = build(root, test_mode=True, pipeline=views)
    assert dataset[2]['inputs'].shape == dataset[3]['inputs'].shape == (9, 3, 2, 32, 32)
    assert not dataset[2]['inputs'].any()


def test_skip_list_leaves_out_in_training_and_counts_in_testing(root):
    (root / 'skip.txt').write_text(
        'video files/text.mp4\tnot a video\nvideo files/missing file.mp4\nother.mp4\n'
    )
    train = build(root, skip_list=str(root / 'skip.txt'), max_failed=0)
    assert len(train) == 8
    assert sum(len(batch['inputs']) for batch in loader(train, 0)) == 8
    test = build(root, skip_list=str(root / 'skip.txt'), test_mode=True)
    assert len(test) == 10
    assert test[2]['data_samples'].decode_error == 'skipped'
    assert [reason for _, reason in test.failures] == ['skipped', 'skipped']


def test_folder_and_csv_forms(root):
    for index, name in enumerate(('jump', 'run')):
        (root / 'own' / name).mkdir(parents=True)
        write_mp4(root / 'own' / name / f'my clip {index}.mp4', num_frames=4)
    folder = build(root, ann_file='', data_prefix=dict(video='own'), labels=['run', 'jump'])
    assert [int(folder[i]['data_samples'].gt_label) for i in range(2)] == [0, 1]
    (root / 'list.csv').write_text('video,label\nown/jump/my clip 0.mp4,jump\n')
    table = build(root, ann_file='list.csv', labels=['run', 'jump'])
    assert int(table[0]['data_samples'].gt_label) == 1


def test_labels_outside_the_list_are_refused_at_once(root):
    with pytest.raises(AnnotationError, match=r'5 class indices are not 0\.\.0'):
        build(root, labels=['only one'])
    with pytest.raises(AnnotationError, match='num_classes is 1'):
        build(root, num_classes=1)


def test_other_errors_of_the_pipeline_name_the_video(root):
    broken = [*copy.deepcopy(PIPELINE[:3]), dict(type='FormatShape', input_format='NPTCHW')]
    with pytest.raises(Exception) as caught:  # noqa: PT011
        build(root, pipeline=broken)[0]
    assert 'while preparing video files/clip 0.mp4' in caught.value.__notes__


def test_subset_keeps_the_account_in_step(root):
    dataset = build(root, indices=[0, 2, 4], max_failed=2)
    assert len(dataset) == 3
    dataset[1]
    assert dataset.failures == [('video files/text.mp4', 'unreadable')]
    smaller = dataset.get_subset([0, 2])
    assert smaller.failures == []
    assert torch.is_tensor(smaller[1]['inputs'])


def test_several_labels_are_a_vector_as_mmaction2_has_it(root):
    lines = ['clip 0.mp4 0 2', 'text.mp4 1', 'clip 1.mp4 2']
    (root / 'several.txt').write_text(''.join(f'video files/{line}\n' for line in lines))
    dataset = build(root, ann_file='several.txt', multi_class=True, labels=['a', 'b', 'c'])
    assert dataset[0]['data_samples'].gt_label.tolist() == [1, 0, 1]
    assert [dataset.get_cat_ids(index) for index in range(3)] == [[0, 2], [1], [2]]
    with pytest.raises(AnnotationError, match=r'0\.\.1 \(2 classes\): line 1: 0 2 '):
        build(root, ann_file='several.txt', multi_class=True, labels=['a', 'b'])[0]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(max_failed=-1), 'max_failed must be 0 or more'),
        (dict(multi_class=True), 'needs labels, or num_classes'),
        (dict(ann_file='', data_root=''), 'no videos'),
    ],
)
def test_bad_arguments(root, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(root, **kwargs)
