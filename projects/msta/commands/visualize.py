"""Draw what a model does."""

from __future__ import annotations

import argparse

from ..files import PICTURES, check_target
from .common import DEBUG, make_main, make_parser
from .model_arguments import DEVICE, MODEL, model_options, stdout_is_for_results

parser = make_parser(__doc__)
_pictures = parser.add_subparsers(dest='picture', required=True)


def _picture(name: str, text: str) -> argparse.ArgumentParser:
    parents = [MODEL, DEVICE, DEBUG]
    made = _pictures.add_parser(name, help=text, description=text, parents=parents)
    made.add_argument('--out', required=True, metavar='FILE', help='.png, .svg or .pdf')
    return made


_attention = _picture('attention', 'where the CLS token looks, over the frames')
_attention.add_argument('video')
_attention.add_argument('--block', type=int, help='of the video tower, from 1 (the last)')
_picture('similarity', 'cosines between classes before and after training')
_picture('norms', 'size of the trained weights by block')
_map = _picture('map', 'videos and classes in the plane (t-SNE)')
_map.add_argument('videos', nargs='+', help='files, folders or globs')


def run(args: argparse.Namespace) -> None:
    check_target(args.out, PICTURES)
    with stdout_is_for_results() as out:
        from ..inference import drawing
        from ..inference.inferencer import MSTAInferencer

        named = args.picture in ('similarity', 'map')
        with MSTAInferencer(**model_options(args), need_labels=named) as inferencer:
            if args.picture == 'attention':
                drawing.attention(inferencer, args.out, args.video, args.block)
            elif args.picture == 'similarity':
                drawing.similarity(inferencer, args.out)
            elif args.picture == 'norms':
                drawing.norms(inferencer, args.out)
            else:
                drawing.embedding_map(inferencer, args.out, args.videos)
        print(args.out, file=out)


main = make_main(parser, run)
