"""Recognise any labels in any video. Exit status 1: some videos failed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .common import make_main, make_parser
from .model_arguments import DEVICE, MODEL, model_options, stdout_is_for_results

if TYPE_CHECKING:
    from ..inference.inferencer import MSTAInferencer
    from ..inference.segments import Timeline
    from ..inference.sources import Source

parser = make_parser(__doc__, MODEL, DEVICE)
add = parser.add_argument
add('videos', nargs='+', metavar='VIDEO', help='file, folder, glob, camera number or address')
add('--none-of-these', metavar='RULE.json', help='from tools/calibrate.py')
add(
    '--threshold',
    type=float,
    metavar='P',
    help='several labels per video: show those of at least this probability (what the checkpoint '
    'says)',
)
add('--topk', type=int, default=5, help='labels per video (%(default)s)')
add('--batch-size', type=int, default=8, help='videos at a time (%(default)s)')
add('--out', help='write the results to this .json or .csv file')
_about = 'long videos (any of these slides a window over each video)'
add = parser.add_argument_group(_about).add_argument
add('--window', type=float, dest='window_sec', metavar='SEC', help='length of a window (2)')
add('--stride', type=float, dest='stride_sec', metavar='SEC', help='step (half a window)')
add('--smooth', type=int, dest='smoothing', metavar='N', help='windows averaged, odd (3)')
add('--min-segment', type=float, dest='min_segment_sec', metavar='SEC', help='shortest segment (0)')
add('--video-out', metavar='FILE.mp4', help='copy with the labels drawn in')
add('--plot-out', metavar='FILE.png', help='plot of the labels over time')


def run(args: argparse.Namespace) -> int:
    """Recognise, print and write; 1 if videos failed."""
    from ..files import PICTURES, check_target, write_text
    from ..inference.results import to_csv, to_json, to_table
    from ..inference.sources import iter_sources
    from ..inference.streams import is_live

    live = any(is_live(video) for video in args.videos)
    for path, endings in (
        (args.out, ('.json', '.csv')),
        (args.video_out, ('.mp4',)),
        (args.plot_out, PICTURES),
    ):
        if path is not None:
            check_target(path, endings)
    if (args.video_out or args.plot_out) and (len(args.videos) > 1 or live):
        raise ValueError('--video-out and --plot-out are for one video file at a time')
    if live and (len(args.videos) > 1 or args.out or args.min_segment_sec):
        raise ValueError('a live stream is followed alone, without --out and --min-segment')
    names = ('window_sec', 'stride_sec', 'smoothing', 'min_segment_sec')
    windows = {name: vars(args)[name] for name in names if vars(args)[name] is not None}
    with stdout_is_for_results() as out:
        from tqdm import tqdm

        from ..inference.inferencer import MSTAInferencer

        with MSTAInferencer(
            **model_options(args),
            none_of_these=args.none_of_these,
            threshold=args.threshold,
            batch_size=args.batch_size,
        ) as inferencer:
            if live:
                follow(inferencer, args.videos[0], args.topk, windows, out)
                return 0
            found: list[Any]
            if windows or args.video_out or args.plot_out:
                sources = iter_sources(args.videos)
                found = [timeline_of(inferencer, source, args, windows) for source in sources]
            else:
                videos = inferencer.iterate(args.videos, args.topk)
                found = list(tqdm(videos, desc='videos', disable=None, leave=False))
        if args.out is not None:
            as_csv = args.out.lower().endswith('.csv')
            write_text(args.out, to_csv(found) if as_csv else to_json(found))
        as_table = args.out is not None or out.isatty()
        out.write(to_table(found) if as_table else to_json(found))
    return int(any(not item.ok for item in found))


def timeline_of(
    inferencer: MSTAInferencer, source: Source, args: argparse.Namespace, windows: dict[str, Any]
) -> Timeline:
    """The timeline of a long video; the pictures that were asked for are made on the way."""
    from tqdm import tqdm

    from ..inference.annotate import write_annotated_video, write_timeline_plot
    from ..inference.long_videos import analyse
    from ..inference.segments import Timeline

    if source.error:
        return Timeline(source.name, error=source.error)
    with tqdm(desc=Path(source.name).name, unit='s of video', disable=None, leave=False) as bar:

        def progress(cell: Any) -> None:
            bar.update(round(cell.end_sec) - bar.n)

        timeline = analyse(inferencer, source.name, topk=args.topk, progress=progress, **windows)
        if timeline.ok and args.video_out:
            write_annotated_video(timeline, args.video_out)
        if timeline.ok and args.plot_out:
            write_timeline_plot(timeline, args.plot_out)
    return timeline


def follow(
    inferencer: MSTAInferencer, name: str, topk: int, windows: dict[str, Any], out: TextIO
) -> None:
    """Print a stream's cells as they come: lines on a terminal, JSON lines in a pipe."""
    from ..files import dump_json
    from ..inference.long_videos import stream_cells
    from ..inference.segments import clock

    source = int(name) if name.isdigit() else name
    for cell in stream_cells(inferencer, source, topk=topk, **windows):
        line = dump_json(vars(cell))
        if out.isatty():
            when = f'{clock(cell.start_sec)} - {clock(cell.end_sec)}'
            line = f'{when}  {cell.label}  {cell.probabilities[0]:.2f}'
        print(line, file=out, flush=True)


main = make_main(parser, run)
