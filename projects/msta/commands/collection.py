"""Label and embed the videos of a list into Parquet shards, and score embeddings again.

Started again, it goes on where it stopped. Exit status 1: some videos failed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from .common import make_main, make_parser
from .model_arguments import DEVICE, MODEL, model_options, stdout_is_for_results

# Arguments that ``label_collection`` takes under the same name.
_PASSED_ON = (
    'column', 'root', 'topk', 'embeddings', 'window_sec', 'stride_sec', 'shard_size', 'batch_size',
    'engine', 'readers', 'recognizers', 'num_gpus', 'address', 'retry_failed',
)  # fmt: skip

parser = make_parser(__doc__, MODEL, DEVICE)
add = parser.add_argument
add(
    'videos',
    nargs='?',
    metavar='LIST',
    help='text file with one path or address (s3://, gs://, hf://, ...) per line, or a .csv, .tsv '
    'or .parquet file',
)
add('--out', metavar='FOLDER', help='where the shards go')
add('--column', default='path', help="the list's column (%(default)s)")
add('--root', help='where relative paths start (the current folder)')
add('--none-of-these', metavar='RULE.json', help='from tools/calibrate.py')
add('--topk', type=int, default=5, help='labels per row (%(default)s)')
add('--embeddings', action='store_true', help='keep embeddings, in float16')
add('--window', dest='window_sec', type=float, metavar='SEC', help='slide a window; a row each')
add('--stride', dest='stride_sec', type=float, metavar='SEC', help='step (half a window)')
add('--batch-size', type=int, default=8, help='clips at a time (%(default)s)')
add('--shard-size', type=int, default=2000, metavar='N', help='videos per shard (%(default)s)')
add('--retry-failed', action='store_true', help='do shards with failed videos again')
add = parser.add_argument_group('where it runs').add_argument
add('--engine', choices=['process', 'ray'], default='process', help='(%(default)s)')
add('--readers', type=int, metavar='N', help='videos read at a time (2; on Ray: all CPUs)')
add('--address', help='of a Ray cluster, or auto (none: this machine)')
add('--recognizers', type=int, metavar='N', help='Ray actors with a model (as GPUs allow)')
add('--num-gpus', type=float, default=0, metavar='N', help='GPUs per actor (%(default)s)')
add = parser.add_argument_group('without the videos').add_argument
add('--from-embeddings', metavar='SHARDS', help='a folder made with --embeddings')
add('--sentence', action='append', help='print the clips that look like it; may be repeated')
add('--top', type=int, default=20, help='clips per sentence (%(default)s)')


def run(args: argparse.Namespace) -> int:
    """Label, score or find; 1 if videos failed."""
    check_arguments(args)
    model = model_options(args)
    if args.none_of_these is not None:
        model['none_of_these'] = args.none_of_these
    with stdout_is_for_results() as out:
        from tqdm import tqdm

        from ..collections.embeddings import score_embeddings
        from ..collections.run import label_collection

        if args.sentence:
            find(args.from_embeddings, args.sentence, model, args.top, out)
            return 0
        kind = 'videos' if args.from_embeddings is None else 'rows'
        if args.from_embeddings is not None:
            done = score_embeddings(args.from_embeddings, args.out, model=model, topk=args.topk)
        else:
            options = {name: getattr(args, name) for name in _PASSED_ON}
            with tqdm(desc='videos', unit='', disable=None, leave=False) as bar:
                options |= dict(model=model, progress=bar.update)
                done = label_collection(args.videos, args.out, **options)
        print(
            f'{done.videos} {kind} in {done.shards} shards of {Path(args.out)}: {done.skipped} '
            f'done before, {done.errors} failed; {done.seconds:.1f} s',
            file=out,
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


def find(folder: str, sentences: list[str], model: dict, top: int, out: TextIO) -> None:
    """Print the clips nearest to sentences: a table on a terminal, JSON in a pipe."""
    from ..collections.embeddings import find_clips
    from ..files import dump_json
    from ..inference.results import align, printable

    matches = find_clips(folder, sentences, model=model, top=top)
    if not out.isatty():
        print(dump_json([vars(match) for match in matches], indent=2), file=out)
        return
    rows: list[tuple[str, ...]] = [('sentence', 'cosine', 'video', 'start', 'end')]
    for m in matches:
        times = ['' if t is None else f'{t:.1f}' for t in (m.start_sec, m.end_sec)]
        rows.append((m.sentence, f'{m.cosine:.3f}', printable(m.path), *times))
    out.write(align(rows, right=(1, 3, 4)))


main = make_main(parser, run)
