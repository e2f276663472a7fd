"""Pictures of a model by its name: each function opens the model, measures and draws.

``model`` are keywords of :func:`open_model`: config, checkpoint, labels, foundation, templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F

from ..spelling import few
from .inferencer import MSTAInferencer
from .loading import VideoLoader
from .pictures import draw_attention, draw_map, draw_norms, draw_similarities
from .probes import adapter_norms, class_similarities, cls_attention
from .recognizers import choose_device, open_model
from .sources import iter_sources


def attention(
    out: str | Path,
    video: str,
    *,
    block: int | None = None,
    device: str | None = None,
    **model: Any,
) -> None:
    """Attention of the CLS token over the frames of a video's first view, in a block (the last).

    Raises:
        ValueError: the video cannot be read, or there is no such block.
    """
    recognizer, pipeline = open_model(need_labels=False, **model)
    loader = VideoLoader(pipeline, workers=1)
    try:
        (loaded,) = loader.load_all([next(iter_sources(video))], 1)
    finally:
        loader.close()
    if loaded.inputs is None:
        raise ValueError(str(loaded.error))
    clip = loaded.inputs[0]
    weights = cls_attention(recognizer.to(choose_device(device)), clip, block)
    where = 'last block' if block is None else f'block {block}'
    title = f'{Path(video).name}, {where}'
    draw_attention(clip.permute(1, 2, 3, 0).numpy(), weights.numpy(), title, out)


def similarity(out: str | Path, *, device: str | None = None, **model: Any) -> None:
    """Cosines between the classes, by the frozen and by the trained text tower."""
    recognizer, _ = open_model(**model)
    recognizer.to(choose_device(device))
    draw_similarities(class_similarities(recognizer), recognizer.classes.current.labels, out)


def norms(out: str | Path, *, device: str | None = None, **model: Any) -> None:
    """Size of the trained weights by block.

    Raises:
        ValueError: nothing is trained.
    """
    recognizer, _ = open_model(need_labels=False, **model)
    found = adapter_norms(recognizer.to(choose_device(device)).backbone.adapter)
    if not found:
        raise ValueError('the model has no adapters: give a checkpoint of trained ones')
    draw_norms(found, out)


def embedding_map(
    out: str | Path, videos: Sequence[str], *, device: str | None = None, **model: Any
) -> None:
    """Videos and classes in the plane.

    Raises:
        ValueError: no video can be read.
    """
    with MSTAInferencer(**model, device=device) as inferencer:
        embeds, results = inferencer.encode_videos(videos)
        if not len(embeds):
            raise ValueError(few([r.error for r in results if r.error]) or 'no videos')
        classes = F.normalize(inferencer.classes, dim=-1).cpu()
        answers = (embeds @ classes.T).argmax(1).tolist()
        draw_map(embeds.numpy(), answers, classes.numpy(), inferencer.labels, out)
