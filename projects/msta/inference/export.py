"""A recognizer as files that run without this project: ONNX, or PyTorch's own export.

Two graphs: the video tower, with pixel statistics and adapters folded in and the class matrix as an
input, so that labels stay free; and the text tower, which makes that matrix. Beside them
``meta.json`` (how to cut and resize frames, the logit scale, the prompt) and ``classes.npy``, the
matrix of the labels at hand.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .export_graphs import OPSET, ExportError, Parity, make_graphs, require_onnx
from .inferencer import MSTAInferencer
from .results import write_text, write_whole


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
        frames: frames a clip, by default those that the model was made for.
        size: side of the square frames, in pixels, by default the model's.
        text_length: tokens a text, by default the whole context.

    Raises:
        ExportError: packages are missing, or a graph differs by more than 1e-4.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f'{out}: exists already; name a new or empty folder')
    if onnx:
        require_onnx()
    arch = inferencer.model.backbone.foundation.arch
    frames, size = frames or arch.num_frames, size or arch.image_size
    text_length = text_length or arch.context_length
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
        _write_facts(inferencer, work, frames, size, text_length)
        if out.exists():
            out.rmdir()
        work.chmod(0o755)
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return found


def _write_facts(
    inferencer: MSTAInferencer, folder: Path, frames: int, size: int, text_length: int
) -> None:
    resizes = [dict(s) for s in inferencer.cfg_pipeline if s['type'] == 'Resize']
    short = min((x for x in resizes[0]['scale'] if x > 0), default=size) if resizes else size
    head = inferencer.model.cls_head
    scale = head.logit_scale or inferencer.model.backbone.foundation.logit_scale
    facts = {
        'num_frames': frames,
        'image_size': size,
        'short_side': max(int(short), size),
        'context_length': text_length,
        'logit_scale': float(scale),
        'templates': inferencer.templates,
        'labels': inferencer.labels,
        'fingerprint': inferencer.model.backbone.fingerprint,
        'opset': OPSET,
        'torch': torch.__version__.split('+')[0],
    }
    write_text(folder / 'meta.json', json.dumps(facts, indent=2, ensure_ascii=False) + '\n')
    classes = F.normalize(inferencer.classes, dim=-1).float().cpu().numpy()
    buffer = io.BytesIO()
    np.save(buffer, classes)
    write_whole(folder / 'classes.npy', lambda path: path.write_bytes(buffer.getvalue()))
