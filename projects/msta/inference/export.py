"""A recognizer as files that run without this project: ONNX, or PyTorch's own export.

Two graphs: the video tower, with pixel statistics and adapters folded in and the class matrix as an
input, so that labels stay free; and the text tower, which makes that matrix. Beside them
``meta.json`` (how frames are chosen, resized and cut, the logit scale, the prompt) and
``classes.npy``, the matrix of the labels at hand.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from .export_graphs import OPSET, ExportError, Parity, make_graphs, require_onnx
from .inferencer import MSTAInferencer
from .results import write_text, write_whole

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
        ExportError: packages are missing, or a graph differs by more than 1e-4.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f'{out}: exists already; name a new or empty folder')
    if onnx:
        require_onnx()
    arch = inferencer.model.backbone.foundation.arch
    for name, given in (('frames', frames), ('size', size), ('text_length', text_length)):
        if given is not None and given < 1:
            raise ExportError(f'{name}={given} must be at least 1')
    frames, size = frames or arch.num_frames, size or arch.image_size
    text_length = text_length or arch.context_length
    facts = _facts(inferencer, frames, size, text_length)  # before what takes a minute
    graphs = make_graphs(inferencer.model, frames, size, text_length)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f'.{out.name}.'))
    try:
        found = []
        for graph in graphs:
            program = graph.trace()
            if torch_export:
                found.append(graph.write_program(program, work))
            if onnx:
                found.append(graph.write_onnx(program, work))
        _write_facts(inferencer, facts, work)
        if out.exists():
            out.rmdir()
        work.chmod(0o755)
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return found


def _facts(inferencer: MSTAInferencer, frames: int, size: int, text_length: int) -> dict[str, Any]:
    head = inferencer.model.cls_head
    if head.multi_class:
        raise ExportError(
            'a model for several labels per video cannot be exported: the written graphs are '
            'compared by a softmax'
        )
    scale = head.logit_scale or inferencer.model.backbone.foundation.logit_scale
    facts = {
        'num_frames': frames,
        'image_size': size,
        'resize': resize_rule(inferencer.pipeline, size),
        'context_length': text_length,
        'logit_scale': float(scale),
        'templates': inferencer.templates,
        'labels': inferencer.labels,
        'fingerprint': inferencer.model.backbone.fingerprint,
        'opset': OPSET,
        'torch': torch.__version__.split('+')[0],
    }
    views = num_views(inferencer.pipeline)
    if views > 1:
        warnings.warn(
            f'the test pipeline averages {views} views of a video; the graphs see one at a time: '
            'run them on each and average the probabilities for the same answer',
            stacklevel=3,
        )
    return facts


def _write_facts(inferencer: MSTAInferencer, facts: dict[str, Any], folder: Path) -> None:
    write_text(folder / 'meta.json', json.dumps(facts, indent=2, ensure_ascii=False) + '\n')
    classes = F.normalize(inferencer.classes, dim=-1).float().cpu().numpy()
    buffer = io.BytesIO()
    np.save(buffer, classes)
    write_whole(folder / 'classes.npy', lambda path: path.write_bytes(buffer.getvalue()))


def resize_rule(pipeline: Sequence[Mapping[str, Any]], size: int) -> dict[str, Any]:
    """How a test pipeline brings frames to ``size``, before it cuts their middle out.

    ``keep_ratio``: scale until the short side is ``short_side`` or the long side ``long_side``
    (None: whatever it becomes), whichever is smaller; otherwise to ``width`` and ``height``.
    ``interpolation`` is the name of OpenCV's constant. Sides follow ``size``, if it is not the
    pipeline's own.

    Raises:
        ExportError: the pipeline resizes in a way that cannot be said so.
    """
    steps = [dict(step) for step in pipeline if step['type'] == 'Resize']
    if len(steps) != 1 or not isinstance(steps[0].get('scale'), (tuple, list)):
        raise ExportError(
            f'the test pipeline has {len(steps)} Resize steps; the exported facts can say one, '
            'with two sides as its scale'
        )
    (step,) = steps
    long, short = max(step['scale']), min(step['scale'])
    crops = [s['crop_size'] for s in pipeline if 'crop_size' in s]
    keep_ratio = bool(step.get('keep_ratio', True))
    own = crops[0] if crops else short
    factor = size / (own if isinstance(own, int) else own[0])
    width, height = step['scale']
    sides = {'width': width, 'height': height}
    if keep_ratio:
        sides = {'short_side': long, 'long_side': None}
        if short > 0:
            sides = {'short_side': short, 'long_side': long}
    scaled = {key: side and round(side * factor) for key, side in sides.items()}
    chosen = step.get('interpolation', 'bilinear')
    return {'keep_ratio': keep_ratio, **scaled, 'interpolation': _OPENCV[chosen]}


def num_views(pipeline: Sequence[Mapping[str, Any]]) -> int:
    """Return how many clips of a video a test pipeline makes."""
    clips = 1
    for step in pipeline:
        if step['type'] == 'UniformSample' or step.get('clip_len', 1) > 1:
            clips *= step.get('num_clips', 1)
        clips *= {'ThreeCrop': 3, 'TenCrop': 10}.get(step['type'], 1)
    return clips
