"""Write video.onnx, text.onnx, classes.npy and meta.json, and compare them with the model.

They run without this project (docs/deploy.md).
"""

from __future__ import annotations

import argparse

from .common import make_main, make_parser
from .model_arguments import MODEL, model_options, stdout_is_for_results

parser = make_parser(__doc__, MODEL)
parser.add_argument('out', help='folder to make')
parser.add_argument('--frames', type=int, help="frames per clip (the model's)")
parser.add_argument('--size', type=int, help="side of the frames in pixels (the model's)")
parser.add_argument('--text-length', type=int, help='tokens per text (the whole context)')
parser.add_argument('--torch', action='store_true', help='also write PyTorch exports (.pt2)')
parser.add_argument('--no-onnx', action='store_true', help='write no ONNX files')


def run(args: argparse.Namespace) -> None:
    if args.no_onnx and not args.torch:
        raise ValueError('--no-onnx without --torch leaves nothing to write')
    with stdout_is_for_results() as out:
        from ..inference.export import export_model
        from ..inference.export_graphs import require_onnx
        from ..inference.inferencer import MSTAInferencer

        if not args.no_onnx:
            require_onnx()
        options = {**model_options(args), 'device': 'cpu', 'batch_size': 1}
        with MSTAInferencer(**options) as inferencer:
            found = export_model(
                inferencer,
                args.out,
                onnx=not args.no_onnx,
                torch_export=args.torch,
                frames=args.frames,
                size=args.size,
                text_length=args.text_length,
            )
        print(f'{args.out}: written; largest difference from the model', file=out)
        for parity in found:
            how = f'{parity.largest:.1e} on {parity.inputs} inputs'
            print(f'  {parity.graph:<10}  {how}', file=out)


main = make_main(parser, run)
