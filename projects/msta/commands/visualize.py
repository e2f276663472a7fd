"""tools/visualize.py: draw what a model does."""

from __future__ import annotations

import argparse

from ..files import PICTURES, check_target
from .common import add_debug, make_main
from .model_arguments import add_model_arguments, model_options, stdout_is_for_results


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='visualize.py', description='Draw what a model does.')
    pictures = parser.add_subparsers(dest='picture', required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        picture = pictures.add_parser(name, help=text, description=text)
        picture.add_argument('--out', required=True, metavar='FILE', help='.png, .svg or .pdf')
        add_model_arguments(picture)
        add_debug(picture, argparse.SUPPRESS)
        return picture

    attention = add('attention', 'where the CLS token looks, over the frames')
    attention.add_argument('video')
    attention.add_argument('--block', type=int, help='of the video tower, from 1 (the last)')
    add('similarity', 'cosines between classes before and after training')
    add('norms', 'size of the trained weights by block')
    plane = add('map', 'videos and classes in the plane (t-SNE)')
    plane.add_argument('videos', nargs='+', help='files, folders or globs')
    return parser


def run(args: argparse.Namespace) -> None:
    """Draw the picture that was asked for."""
    check_target(args.out, PICTURES)
    with stdout_is_for_results():
        from ..inference import drawing

        model = model_options(args)
        if args.picture == 'attention':
            drawing.attention(args.out, args.video, block=args.block, device=args.device, **model)
        elif args.picture == 'similarity':
            drawing.similarity(args.out, device=args.device, **model)
        elif args.picture == 'norms':
            drawing.norms(args.out, device=args.device, **model)
        else:
            drawing.embedding_map(args.out, args.videos, device=args.device, **model)
    print(args.out)


main = make_main(build_parser, run)
