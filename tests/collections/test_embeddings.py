"""Stored embeddings against new labels and sentences: answers are those of the videos."""

import numpy as np
import pytest

from projects.msta.collections import CollectionError
from projects.msta.collections.embeddings import find_clips, score_embeddings
from projects.msta.collections.run import label_collection
from tests.collections.helpers import content, rows_of, settings, videos_of, write_list

NEW = ['opening a door', 'swimming', 'closing a door']


@pytest.fixture(scope='module')
def stored(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp('stored')
    videos = write_list(tiny, folder)
    common = settings(tiny, batch_size=4, shard_size=4)
    label_collection(videos, folder / 'with', embeddings=True, **common)
    label_collection(videos, folder / 'without', **common)
    return folder


def test_new_labels_are_scored_as_the_videos_would_be(tiny, inferencer, stored, tmp_path):
    given = settings(tiny)['model']
    done = score_embeddings(stored / 'with', tmp_path / 'out', model={**given, 'labels': NEW})
    assert (done.videos, done.errors, done.shards, done.skipped) == (6, 1, 2, 0)
    *rows, gone = rows_of(tmp_path / 'out')
    embeddings, _ = inferencer.encode_videos(videos_of(tiny))
    inferencer.set_labels(NEW)
    cosines, _, scores = inferencer.compare(embeddings, len(embeddings))
    for index, row in enumerate(rows):
        assert row['path'] == videos_of(tiny)[index] and 'embedding' not in row
        order = np.argsort(-scores[index])
        assert row['label'] == NEW[order[0]] and row['labels'] == [NEW[i] for i in order]
        # Embeddings are kept in float16; scores have the scale of cosines, 20, on top.
        np.testing.assert_allclose(row['cosines'], cosines[index][order], atol=1e-3)
        np.testing.assert_allclose(row['scores'], scores[index][order], atol=5e-3)
    assert gone['error'].endswith('file not found') and gone['label'] is None
    before = content(tmp_path / 'out')
    again = score_embeddings(stored / 'with', tmp_path / 'out', model={**given, 'labels': NEW})
    assert (again.skipped, again.errors) == (6, 1) and content(tmp_path / 'out') == before


def test_clips_that_look_like_a_sentence(tiny, inferencer, stored):
    sentences = ['someone swims', 'a door']
    found = find_clips(stored / 'with', sentences, model=settings(tiny)['model'], top=3)
    embeddings, _ = inferencer.encode_videos(videos_of(tiny))
    cosines = (inferencer.encode_texts(sentences) @ embeddings.T).numpy()
    assert [match.sentence for match in found] == [sentences[0]] * 3 + [sentences[1]] * 3
    for number in range(2):
        best = np.argsort(-cosines[number])[:3]
        matches = found[3 * number : 3 * number + 3]
        np.testing.assert_allclose([m.cosine for m in matches], cosines[number][best], atol=1e-3)
        assert [match.path for match in matches] == [videos_of(tiny)[i] for i in best]


def test_embeddings_of_another_model_or_none_are_refused(tiny, stored, tmp_path):
    other = {**settings(tiny)['model'], 'checkpoint': tiny / 'adapters2.pth'}
    with pytest.raises(CollectionError, match=r'of another model \(adapters: '):
        find_clips(stored / 'with', ['a door'], model=other)
    with pytest.raises(CollectionError, match='made without embeddings'):
        score_embeddings(stored / 'without', tmp_path / 'out', model=other)
    with pytest.raises(CollectionError, match='has no finished shard'):
        score_embeddings(tmp_path, tmp_path / 'out', model=other)
