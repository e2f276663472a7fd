"""Answers as columns."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from projects.msta.collections.rows import answer_columns, embedding_column, make_schema, make_table


def test_rows_without_an_answer_are_null_and_the_others_in_place(tmp_path):
    answered = np.array([True, False, True, True])
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.0, 0.1, 0.9]], np.float32)
    columns = answer_columns(
        scores - 1, scores, np.array([False, True, False]), answered, ['a', 'b', 'c'], 2
    )
    embeddings = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    columns |= {
        'index': pa.array([0, 1, 2, 3]),
        'path': pa.array(['p', 'q', 'r', 's']),
        'start_sec': pa.nulls(4, pa.float64()),
        'end_sec': pa.nulls(4, pa.float64()),
        'warning': pa.nulls(4, pa.string()),
        'error': pa.array([None, 'broken', None, None], pa.string()),
        'embedding': embedding_column(embeddings, answered),
    }
    pq.write_table(make_table(columns, make_schema(2)), tmp_path / 'a.parquet')
    table = pq.read_table(tmp_path / 'a.parquet')
    assert table['label'].to_pylist() == ['b', None, 'none of these', 'c']
    assert table['labels'].to_pylist() == [['b', 'c'], None, ['a', 'c'], ['c', 'b']]
    expected = [[0.7, 0.2], None, [0.5, 0.3], [0.9, 0.1]]
    for found, wanted in zip(table['scores'].to_pylist(), expected, strict=True):
        assert (found is None) == (wanted is None)
        if found:
            np.testing.assert_allclose(found, wanted)
    np.testing.assert_allclose(table['cosines'][0].as_py(), [-0.3, -0.8], atol=1e-6)
    assert table['embedding'].to_pylist() == [[1, 2], None, [3, 4], [5, 6]]


def test_fewer_labels_than_asked_for():
    scores = np.array([[0.4, 0.6]], np.float32)
    columns = answer_columns(scores, scores, np.zeros(1, bool), np.ones(1, bool), ['a', 'b'], 5)
    assert columns['labels'].to_pylist() == [['b', 'a']]
