"""From parts to rows, by a model that knows what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..inference.inferencer import MSTAInferencer, mean_view
from ..inference.loading import by_shape
from ..inference.recognizers import model_identity
from .reading import Part
from .rows import answer_columns, embedding_column, make_schema, make_table


@dataclass(frozen=True)
class Answer:
    """The rows of a part."""

    shard: int
    job: int
    number: int
    last: bool
    rows: pa.Table


class Recognizer:
    """Answers parts.

    Args:
        model: keywords of :class:`MSTAInferencer`.
        topk: labels per row.
        embeddings: whether rows have the embedding of the clip.
    """

    def __init__(self, model: Mapping[str, Any], topk: int = 5, embeddings: bool = False) -> None:
        self.inferencer = MSTAInferencer(**model)
        self.topk, self.embeddings = topk, embeddings
        self.width = self.inferencer.model.backbone.foundation.arch.embed_dim
        self.schema = make_schema(self.width if embeddings else None)

    def identity(self) -> dict[str, Any]:
        """What answers depend on, as plain values."""
        head, rule = self.inferencer.model.cls_head, self.inferencer.rejection
        return {
            **model_identity(self.inferencer.model.backbone),
            'labels': self.inferencer.labels,
            'templates': self.inferencer.templates,
            'logit_scale': head.logit_scale,
            'average_clips': head.average_clips,
            'none_of_these': None if rule is None else asdict(rule),
            **({'multi_class': True, 'logit_bias': head.logit_bias} if head.multi_class else {}),
            'pipeline': json.loads(json.dumps(self.inferencer.pipeline, default=list)),
            'topk': self.topk,
            'embeddings': self.embeddings,
        }

    def recognise(self, part: Part) -> Answer:
        """Recognise a part: return its rows, one per clip."""
        clips = part.clips
        inputs = [None if c.inputs is None else torch.from_numpy(c.inputs) for c in clips]
        answered = np.array([tensor is not None for tensor in inputs], dtype=bool)
        count, labels = len(clips), self.inferencer.labels
        cosines, scores = (np.zeros((count, len(labels)), np.float32) for _ in range(2))
        embeddings = np.zeros((count, self.width), np.float32)
        for rows, stacked in by_shape(inputs):
            views = self.inferencer.embed(stacked)
            cosines[rows], _, scores[rows] = self.inferencer.compare(views, len(rows))
            embeddings[rows] = mean_view(views, len(rows)).cpu().numpy()
        rejected = self.inferencer.rejects(cosines[answered])
        columns = {
            'index': pa.array([clip.index for clip in clips], pa.int64()),
            'path': pa.array([clip.path for clip in clips], pa.string()),
            'start_sec': pa.array([clip.start_sec for clip in clips], pa.float64()),
            'end_sec': pa.array([clip.end_sec for clip in clips], pa.float64()),
            'warning': pa.array([clip.warning for clip in clips], pa.string()),
            'error': pa.array([clip.error for clip in clips], pa.string()),
            'embedding': embedding_column(embeddings[answered], answered),
            **answer_columns(
                cosines[answered], scores[answered], rejected, answered, labels, self.topk
            ),
        }
        table = make_table(columns, self.schema)
        return Answer(part.shard, part.job, part.number, part.last, table)
