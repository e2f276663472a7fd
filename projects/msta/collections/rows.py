"""What a shard holds: its columns, and answers as Arrow arrays. Torch only for sorting.

Shapes: N rows, n of them with an answer, K classes, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch

from ..inference.results import NONE_OF_THESE

EMBEDDING = 'embedding'
# What names a row; the rest of it is an answer.
PLACE = ('index', 'path', 'start_sec', 'end_sec')
REMARKS = ('warning', 'error')


def make_schema(width: int | None) -> pa.Schema:
    """The columns of a shard; with ``width`` it has embeddings ``(D,)``, float16, of length 1.

    ``index`` is the video's place in the list, from 0. Start and end are those of a window, null
    where a row is a whole video. A row has either an answer or an ``error``; one with an answer may
    have a ``warning`` of damage.
    """
    fields = [
        pa.field('index', pa.int64()),
        pa.field('path', pa.string()),
        pa.field('start_sec', pa.float64()),
        pa.field('end_sec', pa.float64()),
        pa.field('label', pa.string()),
        pa.field('labels', pa.list_(pa.string())),
        pa.field('scores', pa.list_(pa.float32())),
        pa.field('cosines', pa.list_(pa.float32())),
        pa.field('warning', pa.string()),
        pa.field('error', pa.string()),
    ]
    if width is not None:
        fields.insert(-2, pa.field(EMBEDDING, pa.list_(pa.float16(), width)))
    return pa.schema(fields)


def answer_columns(
    cosines: np.ndarray,
    scores: np.ndarray,
    rejected: np.ndarray,
    answered: np.ndarray,
    labels: Sequence[str],
    topk: int,
) -> dict[str, pa.Array]:
    """The columns of an answer: its label, and the top k labels with their scores and cosines.

    Args:
        cosines, scores: ``(n, K)`` of the rows with an answer.
        rejected: ``(n,)``, where the answer is 'none of these'.
        answered: ``(N,)``, which rows have one; the others are null.
        labels: the K class names.
        topk: how many of them a row names, best first.
    """
    topk = min(topk, len(labels))
    best = torch.from_numpy(scores).topk(topk, dim=1).indices.numpy()
    names = pa.array([*labels, NONE_OF_THESE], pa.string())
    first = np.full(len(answered), -1)
    first[answered] = np.where(rejected, len(labels), best[:, 0])
    offsets = np.concatenate([[0], np.cumsum(answered * topk)]).astype(np.int32)
    columns = {
        'labels': names.take(pa.array(best.ravel())),
        'scores': pa.array(np.take_along_axis(scores, best, 1).ravel(), pa.float32()),
        'cosines': pa.array(np.take_along_axis(cosines, best, 1).ravel(), pa.float32()),
    }
    lists = {
        name: pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(~answered))
        for name, values in columns.items()
    }
    return {'label': names.take(pa.array(first, mask=first < 0)), **lists}


def embedding_column(embeddings: np.ndarray, answered: np.ndarray) -> pa.Array:
    """Embeddings ``(n, D)`` of the rows with an answer, as float16 -> the column ``(N, D)``."""
    values = np.zeros((len(answered), embeddings.shape[1]), np.float16)
    values[answered] = embeddings
    return pa.FixedSizeListArray.from_arrays(
        pa.array(values.ravel()), values.shape[1], mask=pa.array(~answered)
    )


def make_table(columns: Mapping[str, pa.Array], schema: pa.Schema) -> pa.Table:
    """Columns by name -> a table of exactly these columns, in the schema's order."""
    return pa.table([columns[name] for name in schema.names], schema=schema)
