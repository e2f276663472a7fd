"""New labels, and sentences to look for, on embeddings that a collection has kept.

Shards are streamed: memory does not grow with their number. Shapes: n rows, K classes, S sentences,
D joint width.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F

from ..inference.inferencer import MSTAInferencer
from ..inference.recognizers import model_identity
from . import CollectionError
from .output import open_output, read_manifest, shards_of
from .rows import EMBEDDING, PLACE, REMARKS, answer_columns, make_schema, make_table
from .run import Summary

_ROWS = 8192


@dataclass(frozen=True)
class Match:
    """A clip and its cosine with a sentence; start and end are null for a whole video."""

    sentence: str
    cosine: float
    path: str
    start_sec: float | None
    end_sec: float | None


def score_embeddings(
    folder: str | Path,
    out: str | Path,
    *,
    model: Mapping[str, Any] | None = None,
    topk: int = 5,
) -> Summary:
    """Answer the rows of a collection again, with the labels of ``model``, without its videos.

    The new folder has a shard for each of the old one, without embeddings, and is resumed like any
    collection. A row of several views is answered by their mean embedding.

    Raises:
        CollectionError: the folder has no embeddings, or they are of another model.
    """
    started = time.perf_counter()
    if topk < 1:
        raise CollectionError(f'topk {topk} must be at least 1')
    folder = Path(folder)
    shards = _shards_with_embeddings(folder)
    inferencer = _same_model(folder, model)
    head, rule = inferencer.model.cls_head, inferencer.rejection
    if head.multi_class:
        raise CollectionError(
            'stored embeddings are compared by a softmax, and this model is for several labels per '
            'video: recognise the videos anew'
        )
    settings = {
        'embeddings_of': read_manifest(folder),
        'labels': inferencer.labels,
        'templates': inferencer.templates,
        'logit_scale': head.logit_scale,
        'average_clips': head.average_clips,
        'none_of_these': None if rule is None else asdict(rule),
        'topk': topk,
    }
    schema, rows, skipped = make_schema(None), 0, 0
    classes = F.normalize(inferencer.classes.float(), dim=-1)  # (K, D)
    scale = inferencer.model.backbone.foundation.logit_scale
    scale = float(scale if head.logit_scale is None else head.logit_scale)
    softmax = head.average_clips == 'prob'

    def answered_anew(path: Path) -> Iterator[pa.Table]:
        nonlocal rows
        for batch, embeddings, answered in _stream(path, [*PLACE, *REMARKS], inferencer.device):
            cosines = embeddings @ classes.T  # (n, K)
            scores = (scale * cosines).softmax(1) if softmax else scale * cosines
            near = cosines.cpu().numpy()
            answer = answer_columns(
                near,
                scores.cpu().numpy(),
                inferencer.rejects(near),
                answered,
                inferencer.labels,
                topk,
            )
            kept = {name: batch.column(name) for name in (*PLACE, *REMARKS)}
            rows += batch.num_rows
            yield make_table({**kept, **answer}, schema)

    with torch.inference_mode(), open_output(Path(out), settings) as output:
        errors = 0
        for path in shards:
            shard = int(path.stem.rpartition('-')[2])
            before = output.errors_in(shard)
            if before is None:
                errors += output.write(shard, answered_anew(path))
            else:
                errors += before
                skipped += pq.read_metadata(path).num_rows
    seconds = time.perf_counter() - started
    return Summary(rows + skipped, skipped, errors, len(shards), seconds)


def find_clips(
    folder: str | Path,
    sentences: Sequence[str],
    *,
    model: Mapping[str, Any] | None = None,
    top: int = 20,
) -> list[Match]:
    """Return the clips of a collection nearest to each sentence, best first.

    Sentences are embedded as they are, without a template.

    Raises:
        CollectionError: as :func:`score_embeddings`.
    """
    if top < 1 or not sentences:
        raise CollectionError('give a sentence at least, and a top of 1 or more')
    folder = Path(folder)
    shards = _shards_with_embeddings(folder)
    # Nothing is scored against labels here, and the list that a config names may be missing.
    inferencer = _same_model(folder, {**(model or {}), 'labels': ['this', 'that']})
    texts = inferencer.encode_texts(sentences).to(inferencer.device)  # (S, D)
    best: list[list[Match]] = [[] for _ in sentences]
    for path in shards:
        for batch, embeddings, answered in _stream(path, list(PLACE), inferencer.device):
            cosines = (embeddings @ texts.T).T.cpu()  # (S, n)
            places = np.flatnonzero(answered)
            for number, sentence in enumerate(sentences):
                values, found = cosines[number].topk(min(top, cosines.shape[1]))
                near = batch.select(PLACE[1:]).take(pa.array(places[found.numpy()])).to_pylist()
                pairs = zip(values.tolist(), near, strict=True)
                matches = [Match(sentence, value, **row) for value, row in pairs]
                both = best[number] + matches
                best[number] = sorted(both, key=lambda match: -match.cosine)[:top]
    return [match for matches in best for match in matches]


def _shards_with_embeddings(folder: Path) -> list[Path]:
    shards = shards_of(folder)
    if not read_manifest(folder).get('embeddings'):
        raise CollectionError(
            f'{folder} was made without embeddings: make a new one with them (--embeddings)'
        )
    return shards


def _same_model(folder: Path, model: Mapping[str, Any] | None) -> MSTAInferencer:
    """The model, if the embeddings of a folder are its own."""
    inferencer = MSTAInferencer(**(model or {}))
    manifest, here = read_manifest(folder), model_identity(inferencer.model.backbone)
    for key, value in here.items():
        if manifest.get(key) != value:
            raise CollectionError(
                f'{folder} holds embeddings of another model ({key}: {manifest.get(key)} there, '
                f'{value} in this one), which texts of this one cannot be compared with: give '
                'the config, checkpoint and foundation that it was made with'
            )
    return inferencer


def _stream(
    path: Path, columns: list[str], device: torch.device
) -> Iterator[tuple[pa.RecordBatch, torch.Tensor, np.ndarray]]:
    """Batches of rows, the embeddings ``(n, D)`` of length 1 of those that have one, and which."""
    file = pq.ParquetFile(path)
    for batch in file.iter_batches(_ROWS, columns=[*columns, EMBEDDING]):
        column = batch.column(batch.schema.get_field_index(EMBEDDING))
        answered = column.is_valid().to_numpy(zero_copy_only=False)
        if answered.any():
            values = column.flatten().to_numpy().reshape(-1, column.type.list_size)
            # Of length 1 up to the rounding of float16, which moves it by some 1e-5.
            embeddings = torch.tensor(values).to(device).float()
        else:
            embeddings = torch.empty(0, column.type.list_size, device=device)
        yield batch, embeddings, answered
