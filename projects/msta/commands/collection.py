"""tools/collection.py: label and embed the videos of a list, and score embeddings again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .common import make_main
from .model_arguments import add_model_arguments, model_options, stdout_is_for_results

# Arguments that ``label_collection`` takes under the same name.
_PASSED_ON = (
    'column', 'root', 'topk', 'embeddings', 'shard_size', 'batch_size', 'engine', 'readers',
    'recognizers', 'num_gpus', 'address', 'retry_failed',
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='collection.py',
        description='Label and embed the videos of a list into Parquet shards. Started again, it '
        'goes on where it stopped. Exit status 1: some videos failed.',
    )
    parser.add_argument(
        'videos',
        nargs='?',
        metavar='LIST',
        help='text file with one path or address (s3://, gs://, hf://, ...) per line, or a .csv, '
        '.tsv or .parquet file',
    )
    parser.add_argument('--out', metavar='FOLDER', help='where the shards go')
    parser.add_argument('--column', default='path', help="the list's column (%(default)s)")
    parser.add_argument('--root', help='where relative paths start (the current folder)')
    add_model_arguments(parser)
    parser.add_argument('--none-of-these', metavar='RULE.json', help='from tools/calibrate.py')
    parser.add_argument('--topk', type=int, default=5, help='labels per row (%(default)s)')
    parser.add_argument('--embeddings', action='store_true', help='keep embeddings, in float16')
    parser.add_argument('--window', type=float, metavar='SEC', help='slide a window; a row each')
    parser.add_argument('--stride', type=float, metavar='SEC', help='step (half a window)')
    parser.add_argument('--batch-size', type=int, default=8, help='clips at a time (%(default)s)')
    add = parser.add_argument
    add('--shard-size', type=int, default=2000, metavar='N', help='videos per shard (%(default)s)')
    add('--retry-failed', action='store_true', help='do shards with failed videos again')
    engine = parser.add_argument_group('where it runs').add_argument
    engine('--engine', choices=['process', 'ray'], default='process', help='(%(default)s)')
    engine('--readers', type=int, metavar='N', help='videos read at a time (2; on Ray: all CPUs)')
    engine('--address', help='of a Ray cluster, or auto (none: this machine)')
    engine('--recognizers', type=int, metavar='N', help='Ray actors with a model (as GPUs allow)')
    engine('--num-gpus', type=float, default=0, metavar='N', help='GPUs per actor (%(default)s)')
    again = parser.add_argument_group('without the videos').add_argument
    again('--from-embeddings', metavar='SHARDS', help='a folder made with --embeddings')
    again('--sentence', action='append', help='print the clips that look like it; may be repeated')
    again('--top', type=int, default=20, help='clips per sentence (%(default)s)')
    return parser


def run(args: argparse.Namespace) -> int:
    """Label, score or find; 1 if videos failed."""
    check_arguments(args)
    model = {**model_options(args), 'device': args.device}
    if args.none_of_these is not None:
        model['none_of_these'] = args.none_of_these
    if args.sentence:
        return find(args.from_embeddings, args.sentence, model, args.top)
    with stdout_is_for_results():
        from tqdm import tqdm

        from ..collections.embeddings import score_embeddings
        from ..collections.run import label_collection

        if args.from_embeddings is not None:
            done = score_embeddings(args.from_embeddings, args.out, model=model, topk=args.topk)
        else:
            with tqdm(desc='videos', unit='', disable=None, leave=False) as bar:
                done = label_collection(
                    args.videos,
                    args.out,
                    model=model,
                    window_sec=args.window,
                    stride_sec=args.stride,
                    progress=bar.update,
                    **{name: getattr(args, name) for name in _PASSED_ON},
                )
    kind = 'videos' if args.from_embeddings is None else 'rows'
    print(
        f'{done.videos} {kind} in {done.shards} shards of {Path(args.out)}: {done.skipped} done '
        f'before, {done.errors} failed; {done.seconds:.1f} s'
    )
    return int(done.errors > 0)


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse arguments that do not go together."""
    if (args.videos is None) == (args.from_embeddings is None):
        raise ValueError('give either LIST or --from-embeddings SHARDS')
    if args.sentence and args.from_embeddings is None:
        raise ValueError('--sentence looks in --from-embeddings SHARDS')
    if bool(args.out) == bool(args.sentence):
        raise ValueError('give --out FOLDER (and for --sentence, which prints, none)')
    on_ray = {'--address': args.address, '--recognizers': args.recognizers}
    on_ray['--num-gpus'] = args.num_gpus or None
    given = [name for name, value in on_ray.items() if value is not None]
    if given and args.engine != 'ray':
        raise ValueError(f'{", ".join(given)}: for --engine ray alone')


def find(folder: str, sentences: list[str], model: dict, top: int) -> int:
    """Print the clips nearest to sentences: a table on a terminal, JSON in a pipe."""
    with stdout_is_for_results():
        from ..collections.embeddings import find_clips
        from ..inference.results import align, dump_json, printable

        matches = find_clips(folder, sentences, model=model, top=top)
    if not sys.stdout.isatty():
        print(dump_json([vars(match) for match in matches], indent=2))
        return 0
    rows: list[tuple[str, ...]] = [('sentence', 'cosine', 'video', 'start', 'end')]
    for m in matches:
        times = ['' if t is None else f'{t:.1f}' for t in (m.start_sec, m.end_sec)]
        rows.append((m.sentence, f'{m.cosine:.3f}', printable(m.path), *times))
    sys.stdout.write(align(rows, right=(1, 3, 4)))
    return 0


main = make_main(build_parser, run)
