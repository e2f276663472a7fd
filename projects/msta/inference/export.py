"""A recognizer as files that run without this project: ONNX, or PyTorch's own export.

Two graphs: the video tower, with pixel statistics and adapters folded in and the class matrix as an
input, so that labels stay free; and the text tower, which makes that matrix. Beside them
``meta.json`` (how frames are chosen, resized and cut, the logit scale, the prompt) and
``classes.npy``, the matrix of the labels at hand.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..files import write_json
from .export_graphs import OPSET, ExportError, Parity, make_graphs, require_onnx
from .inferencer import MSTAInferencer

_OPENCV = {
    'nearest': 'INTER_NEAREST',
    'bilinear': 'INTER_LINEAR',
    'bicubic': 'INTER_CUBIC',
    'area': 'INTER_AREA',
    'lanczos': 'INTER_LANCZOS4',
}


def export_model(
    inferencer: MSTAInferencer,
    out: str | Path,
    onnx: bool = True,
    torch_export: bool = False,
    frames: int | None = None,
    size: int | None = None,
    text_length: int | None = None,
) -> list[Parity]:
    """Write the folder ``out``, whole or not at all, and compare each graph with the model.

    Args:
        inferencer: the model, its labels and its prompt.
        out: folder to make; it must not exist, or be empty.
        onnx: write ``video.onnx`` and ``text.onnx``.
        torch_export: write ``video.pt2`` and ``text.pt2``, for ``torch.export.load``.
        frames: frames per clip, by default those that the model was made for.
        size: side of the square frames, in pixels, by default the model's.
        text_length: tokens per text, by default the whole context.

    Raises:
        ExportError: packages are missing, a graph differs by more than 1e-4, or the model gives a
            video several labels.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f'{out}: exists already; name a new or empty folder')
    if inferencer.model.cls_head.multi_class:
        raise ExportError(
            'a model for several labels per video cannot be exported: the written graphs are '
            'compared by a softmax'
        )
    if onnx:
        require_onnx()
    arch = inferencer.model.backbone.foundation.arch
    for name, given in (('frames', frames), ('size', size), ('text_length', text_length)):
        if given is not None and given < 1:
            raise ExportError(f'{name}={given} must be at least 1')
    frames, size = frames or arch.num_frames, size or arch.image_size
    text_length = text_length or arch.context_length
    facts = _facts(inferencer, frames, size, text_length)
    found = []
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f'.{out.name}.'))
    try:
        for graph in make_graphs(inferencer.model, frames, size, text_length):
            program = graph.trace()
            if torch_export:
                found.append(graph.write_program(program, work))
            if onnx:
                found.append(graph.write_onnx(program, work))
        write_json(work / 'meta.json', facts, indent=2)
        classes = F.normalize(inferencer.classes, dim=-1)
        np.save(work / 'classes.npy', classes.float().cpu().numpy())
        if out.exists():
            out.rmdir()
        work.chmod(0o755)
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return found


def _facts(
    inferencer: MSTAInferencer, frames: int, size: int, text_length: int
) -> dict[str, object]:
    backbone = inferencer.model.backbone
    views = num_views(inferencer.pipeline)
    if views > 1:
        warnings.warn(
            f'the test pipeline averages {views} views of a video; the graphs see one at a time: '
            'run them on each and average the probabilities for the same answer',
            stacklevel=3,
        )
    return {
        'num_frames': frames,
        'image_size': size,
        'resize': resize_rule(inferencer.pipeline, size),
        'context_length': text_length,
        'logit_scale': float(
            inferencer.model.cls_head.logit_scale or backbone.foundation.logit_scale
        ),
        'templates': inferencer.templates,
        'labels': inferencer.labels,
        'fingerprint': backbone.fingerprint,
        'opset': OPSET,
        'torch': torch.__version__.split('+')[0],
    }


def resize_rule(pipeline: Sequence[Mapping[str, Any]], size: int) -> dict[str, Any]:
    """How a test pipeline brings frames to ``size``, before it cuts their middle out.

    ``keep_ratio``: scale until the short side is ``short_side`` or the long side ``long_side``
    (None: whatever it becomes), whichever is smaller; otherwise to ``width`` and ``height``.
    ``interpolation`` is the name of OpenCV's constant. Sides follow ``size``, if it is not the
    pipeline's own.

    Raises:
        ExportError: the pipeline resizes in a way that cannot be said so.
    """
    steps = [step for step in pipeline if step['type'] == 'Resize']
    if len(steps) != 1 or not isinstance(steps[0].get('scale'), (tuple, list)):
        raise ExportError(
            f'the test pipeline has {len(steps)} Resize steps; the exported facts can say one, '
            'with two sides as its scale'
        )
    (step,) = steps
    width, height = step['scale']
    long, short = max(width, height), min(width, height)
    keep_ratio = bool(step.get('keep_ratio', True))
    if not keep_ratio:
        sides = {'width': width, 'height': height}
    elif short > 0:
        sides = {'short_side': short, 'long_side': long}
    else:
        sides = {'short_side': long, 'long_side': None}
    own = next((step['crop_size'] for step in pipeline if 'crop_size' in step), short)
    factor = size / (own if isinstance(own, int) else own[0])
    scaled = {key: side and round(side * factor) for key, side in sides.items()}
    interpolation = _OPENCV[step.get('interpolation', 'bilinear')]
    return {'keep_ratio': keep_ratio, **scaled, 'interpolation': interpolation}


def num_views(pipeline: Sequence[Mapping[str, Any]]) -> int:
    """Return how many clips of a video a test pipeline makes."""
    clips = 1
    for step in pipeline:
        if step['type'] == 'UniformSample' or step.get('clip_len', 1) > 1:
            clips *= step.get('num_clips', 1)
        clips *= {'ThreeCrop': 3, 'TenCrop': 10}.get(step['type'], 1)
    return clips
