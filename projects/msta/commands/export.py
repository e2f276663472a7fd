"""tools/export.py: write a model as ONNX or torch.export files that run without this project."""

from __future__ import annotations

import argparse

from .common import make_main
from .model_arguments import add_model_arguments, model_options, stdout_is_for_results


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='export.py',
        description='Write video.onnx, text.onnx, classes.npy and meta.json, and compare them with '
        'the model (docs/deploy.md).',
    )
    parser.add_argument('out', help='folder to make')
    add_model_arguments(parser, device=False)
    parser.add_argument('--frames', type=int, help="frames per clip (the model's)")
    parser.add_argument('--size', type=int, help="side of the frames in pixels (the model's)")
    parser.add_argument('--text-length', type=int, help='tokens per text (the whole context)')
    parser.add_argument('--torch', action='store_true', help='also write PyTorch exports (.pt2)')
    parser.add_argument('--no-onnx', action='store_true', help='write no ONNX files')
    return parser


def run(args: argparse.Namespace) -> None:
    """Export, compare and report."""
    if args.no_onnx and not args.torch:
        raise ValueError('--no-onnx without --torch leaves nothing to write')
    with stdout_is_for_results():
        from ..inference.export import export_model
        from ..inference.export_graphs import require_onnx
        from ..inference.inferencer import MSTAInferencer

        if not args.no_onnx:
            require_onnx()
        with MSTAInferencer(**model_options(args), device='cpu', batch_size=1) as inferencer:
            found = export_model(
                inferencer,
                args.out,
                onnx=not args.no_onnx,
                torch_export=args.torch,
                frames=args.frames,
                size=args.size,
                text_length=args.text_length,
            )
    print(f'{args.out}: written; largest difference from the model')
    for parity in found:
        print(f'  {parity.graph:<10}  {parity.largest:.1e} on {parity.inputs} inputs')


main = make_main(build_parser, run)
