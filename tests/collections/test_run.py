"""Labels of a list in one process: equal to the inferencer's, resumable, and never half-written."""

import warnings
from pathlib import Path

import fsspec
import numpy as np
import pytest

from projects.msta.collections import CollectionError
from projects.msta.collections.run import label_collection
from projects.msta.inference.long_videos import score_windows
from projects.msta.inference.streams import open_stream
from tests.collections.helpers import content, rows_of, settings, videos_of, write_list
from tests.models.conftest import LABELS
from tests.videos import ODD_FILES


def test_rows_are_what_the_inferencer_says(tiny, inferencer, tmp_path):
    inferencer.set_labels(LABELS)
    videos = write_list(tiny, tmp_path)
    done = label_collection(
        videos, tmp_path / 'out', **settings(tiny, topk=3, embeddings=True, batch_size=4)
    )
    assert (done.videos, done.skipped, done.errors, done.shards) == (6, 0, 1, 1)
    *rows, gone = rows_of(tmp_path / 'out')
    results = inferencer(videos_of(tiny), topk=3)
    embeddings, _ = inferencer.encode_videos(videos_of(tiny))
    for index, (row, result) in enumerate(zip(rows, results, strict=True)):
        assert (row['index'], row['path'], row['error']) == (index, result.video, None)
        assert (row['label'], row['labels']) == (result.label, result.labels)
        # Batches are composed differently, and with them the order of sums.
        np.testing.assert_allclose(row['scores'], result.probabilities, atol=1e-6)
        np.testing.assert_allclose(row['cosines'], result.cosines, atol=1e-6)
        np.testing.assert_allclose(row['embedding'], embeddings[index], atol=5e-4)  # float16
    assert gone['index'] == 5 and gone['error'].endswith('gone.mp4: file not found')
    assert gone['label'] is gone['scores'] is gone['embedding'] is None


def test_interrupted_and_resumed_equals_uninterrupted(tiny, tmp_path):
    videos = write_list(tiny, tmp_path, times=3)
    common = settings(tiny, batch_size=2, shard_size=4)
    label_collection(videos, tmp_path / 'whole', **common)
    assert len(content(tmp_path / 'whole')) == 4

    def interrupt(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_collection(videos, tmp_path / 'out', **common, progress=interrupt)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').glob('*.parquet')}
    assert len(before) == 1
    seen = []
    done = label_collection(videos, tmp_path / 'out', **common, readers=3, progress=seen.append)
    assert (done.videos, done.skipped, done.errors) == (16, 4, 1) and sorted(seen) == [4, 4, 4]
    assert content(tmp_path / 'out') == content(tmp_path / 'whole')
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    again = label_collection(videos, tmp_path / 'out', **common, retry_failed=True)
    assert again.skipped == 12 and content(tmp_path / 'out') == content(tmp_path / 'whole')


def test_windows_have_a_row_each_and_a_broken_video_one(tiny, inferencer, tmp_path):
    inferencer.set_labels(LABELS)
    videos = write_list(tiny, tmp_path)
    common = settings(tiny, window_sec=0.8, stride_sec=0.4, batch_size=2)
    done = label_collection(videos, tmp_path / 'out', **common)
    rows = rows_of(tmp_path / 'out')
    assert done.errors == 1 and rows[-1]['error'].endswith('gone.mp4: file not found')
    for index, video in enumerate(videos_of(tiny)):
        of_video = [row for row in rows if row['index'] == index]
        stream = open_stream(video)
        expected = list(score_windows(inferencer, stream, 0.8, 0.4))
        stream.close()
        assert len(of_video) == len(expected) > 1
        for row, window in zip(of_video, expected, strict=True):
            assert (row['start_sec'], row['end_sec']) == (window.start_sec, window.end_sec)
            assert row['label'] == inferencer.labels[window.scores.argmax()]
            np.testing.assert_allclose(row['scores'][0], window.scores.max(), atol=1e-6)


def test_a_remote_video_is_answered_as_its_copy_and_named_by_its_address(tiny, tmp_path):
    video = videos_of(tiny)[0]
    addresses = ['memory://col/a.mp4', 'memory://col/broken.mp4', 'memory://col/gone.mp4']
    with fsspec.open(addresses[0], 'wb') as file:
        file.write(Path(video).read_bytes())
    with fsspec.open(addresses[1], 'wb') as file:
        file.write(b'not a video')
    listed = tmp_path / 'list.txt'
    listed.write_text('\n'.join([video, *addresses]))
    # One at a time, so that both are batches of one.
    done = label_collection(listed, tmp_path / 'out', **settings(tiny, batch_size=1))
    local, remote, broken, gone = rows_of(tmp_path / 'out')
    assert done.errors == 2 and [local['path'], remote['path']] == [video, addresses[0]]
    assert local['scores'] == remote['scores'] and local['labels'] == remote['labels']
    assert broken['error'].startswith('memory://col/broken.mp4: ')
    assert gone['error'].startswith('memory://col/gone.mp4: FileNotFoundError')
    assert '/tmp' not in broken['error'] + gone['error']


def test_damage_is_told_in_the_row_of_the_video(tiny, tmp_path):
    name, write = ODD_FILES['truncated 90%, index first']
    damaged = str(write(tmp_path / name))
    listed = tmp_path / 'list.txt'
    listed.write_text('\n'.join([videos_of(tiny)[0], damaged, videos_of(tiny)[1], damaged]))
    with warnings.catch_warnings():  # what listens to them ends with the test
        label_collection(listed, tmp_path / 'out', **settings(tiny))
    found = [row['warning'] for row in rows_of(tmp_path / 'out')]
    told = f'{damaged}: 6 of 24 pictures are damaged or missing'
    assert found == [None, told, None, told]


@pytest.fixture(scope='module')
def begun(tiny, tmp_path_factory):
    """A folder with a finished collection, and a shorter list beside it."""
    folder = tmp_path_factory.mktemp('begun')
    label_collection(write_list(tiny, folder), folder / 'out', **settings(tiny))
    (folder / 'short.txt').write_text(videos_of(tiny)[0])
    return folder


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(labels=['swimming', 'eating']), 'labels: '),
        (dict(templates='a clip of {}.'), 'templates: '),
        (dict(checkpoint='adapters2.pth'), 'adapters: '),
        (dict(topk=1), 'topk: 5 there, 1 now'),
        (dict(window_sec=1.0), 'window_sec: null there, 1.0 now'),
        (dict(videos='short.txt'), 'list: .*; videos: 6 there, 1 now'),
    ],
)
def test_other_settings_refuse_the_folder(tiny, begun, change, words):
    given = settings(tiny)
    videos = begun / change.pop('videos', 'list.txt')
    if 'checkpoint' in change:
        change['checkpoint'] = tiny / change['checkpoint']
    for key in {'labels', 'templates', 'checkpoint'} & set(change):
        given['model'][key] = change.pop(key)
    before = content(begun / 'out')
    with pytest.raises(CollectionError, match=words):
        label_collection(videos, begun / 'out', **given, **change)
    assert content(begun / 'out') == before


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(topk=0), 'topk 0 must be'),
        (dict(shard_size=0), 'shard size 0 must be'),
        (dict(readers=0), 'number of readers 0 must be'),
        (dict(window_sec=-1.0), 'a window of -1.0 s'),
        (dict(stride_sec=1.0), 'a stride is that of a window'),
        (dict(engine='dask'), "engine 'dask' is not one of process, ray"),
    ],
)
def test_settings_that_cannot_be_are_refused(tiny, tmp_path, change, words):
    with pytest.raises(CollectionError, match=words):
        label_collection(tmp_path / 'list.txt', tmp_path / 'out', **change)
    assert not (tmp_path / 'out').exists()


def test_a_fault_of_a_reader_ends_the_run(tiny, tmp_path, monkeypatch):
    def fail(self, job):
        raise RuntimeError('a fault of the program')

    monkeypatch.setattr('projects.msta.collections.reading.Reader.read', fail)
    with pytest.raises(RuntimeError, match='a fault of the program'):
        label_collection(write_list(tiny, tmp_path), tmp_path / 'out', **settings(tiny))
