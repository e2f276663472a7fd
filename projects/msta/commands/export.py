"""What ``tools/export.py`` does."""

from __future__ import annotations

import argparse

from ..training.config import ConfigError
from .infer import make_inferencer, stdout_is_for_results


def export(args: argparse.Namespace) -> None:
    """Export, compare and report."""
    if args.no_onnx and not args.torch:
        raise ConfigError('--no-onnx without --torch leaves nothing to write')
    from ..inference.export import export_model
    from ..inference.export_graphs import require_onnx

    if not args.no_onnx:
        require_onnx()
    args.device, args.batch_size = 'cpu', 1
    with stdout_is_for_results(), make_inferencer(args) as inferencer:
        found = export_model(
            inferencer,
            args.out,
            not args.no_onnx,
            args.torch,
            args.frames,
            args.size,
            args.text_length,
        )
    print(f'{args.out}: written; largest difference from the model')
    for parity in found:
        print(f'  {parity.graph:<10}  {parity.largest:.1e} on {parity.inputs} inputs')
