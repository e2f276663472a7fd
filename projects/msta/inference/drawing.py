"""Pictures of an inferencer's model: measure and draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F

from ..spelling import few
from .inferencer import MSTAInferencer
from .pictures import draw_attention, draw_map, draw_norms, draw_similarities
from .probes import adapter_norms, class_similarities, cls_attention
from .sources import Source


def attention(
    inferencer: MSTAInferencer, out: str | Path, video: str, block: int | None = None
) -> None:
    """Attention of the CLS token over the frames of a video's first view, in a block (the last).

    Raises:
        ValueError: the video cannot be read, or there is no such block.
    """
    (loaded,) = inferencer.loader.load_all([Source(video)], 1)
    if loaded.inputs is None:
        raise ValueError(str(loaded.error))
    clip = loaded.inputs[0]
    weights = cls_attention(inferencer.model, clip, block)
    where = 'last block' if block is None else f'block {block}'
    title = f'{Path(video).name}, {where}'
    draw_attention(clip.permute(1, 2, 3, 0).numpy(), weights.numpy(), title, out)


def similarity(inferencer: MSTAInferencer, out: str | Path) -> None:
    """Cosines between the classes, by the frozen and by the trained text tower."""
    draw_similarities(class_similarities(inferencer.model), inferencer.labels, out)


def norms(inferencer: MSTAInferencer, out: str | Path) -> None:
    """Size of the trained weights by block.

    Raises:
        ValueError: nothing is trained.
    """
    found = adapter_norms(inferencer.model.backbone.adapter)
    if not found:
        raise ValueError('the model has no adapters: give a checkpoint of trained ones')
    draw_norms(found, out)


def embedding_map(inferencer: MSTAInferencer, out: str | Path, videos: Sequence[str]) -> None:
    """Videos and classes in the plane.

    Raises:
        ValueError: no video can be read.
    """
    embeds, results = inferencer.encode_videos(videos)
    if not len(embeds):
        raise ValueError(few([r.error for r in results if r.error]) or 'no videos')
    classes = F.normalize(inferencer.classes, dim=-1).cpu()
    answers = (embeds @ classes.T).argmax(1).tolist()
    draw_map(embeds.numpy(), answers, classes.numpy(), inferencer.labels, out)
