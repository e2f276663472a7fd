"""tools/infer.py: recognise any labels in any video."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import make_main
from .model_arguments import add_model_arguments, model_options, stdout_is_for_results

if TYPE_CHECKING:
    from ..inference.inferencer import MSTAInferencer


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='infer.py',
        description='Recognise any labels in any video. Exit status 1: some videos failed.',
    )
    parser.add_argument(
        'videos',
        nargs='+',
        metavar='VIDEO',
        help='file, folder, glob, camera number or stream address',
    )
    add_model_arguments(parser)
    parser.add_argument('--none-of-these', metavar='RULE.json', help='from tools/calibrate.py')
    parser.add_argument(
        '--threshold',
        type=float,
        metavar='P',
        help='several labels per video: show those of at least this probability (what the '
        'checkpoint says)',
    )
    parser.add_argument('--topk', type=int, default=5, help='labels per video (%(default)s)')
    parser.add_argument('--batch-size', type=int, default=8, help='videos at a time (%(default)s)')
    parser.add_argument('--out', help='write the results to this .json or .csv file')
    long = parser.add_argument_group('long videos (any of these slides a window over each video)')
    long.add_argument('--window', type=float, metavar='SEC', help='length of a window (2)')
    long.add_argument('--stride', type=float, metavar='SEC', help='step (half a window)')
    long.add_argument('--smooth', type=int, metavar='N', help='windows averaged, odd (3)')
    long.add_argument('--min-segment', type=float, metavar='SEC', help='shortest segment (0)')
    long.add_argument('--video-out', metavar='FILE.mp4', help='copy with the labels drawn in')
    long.add_argument('--plot-out', metavar='FILE.png', help='plot of the labels over time')
    return parser


def run(args: argparse.Namespace) -> int:
    """Recognise, print and write; 1 if videos failed."""
    from tqdm import tqdm

    from ..inference import results, segments
    from ..inference.streams import is_live

    live = [video for video in args.videos if is_live(video)]
    check_outputs(args.out, args.video_out, args.plot_out, args.videos, bool(live))
    with stdout_is_for_results():
        from ..inference.inferencer import MSTAInferencer

        inferencer = MSTAInferencer(
            **model_options(args),
            device=args.device,
            none_of_these=args.none_of_these,
            threshold=args.threshold,
            batch_size=args.batch_size,
        )
    window = 2.0 if args.window is None else args.window
    options: dict[str, Any] = dict(
        window_sec=window,
        stride_sec=window / 2 if args.stride is None else args.stride,
        smoothing=3 if args.smooth is None else args.smooth,
        topk=args.topk,
    )
    long = (args.window, args.stride, args.smooth, args.min_segment, args.video_out, args.plot_out)
    with inferencer:
        if live:
            return follow(inferencer, args.videos[0], options)
        if all(value is None for value in long):
            with stdout_is_for_results(), tqdm(desc='videos', disable=None, leave=False) as bar:
                found = []
                for result in inferencer.iterate(args.videos, args.topk):
                    found.append(result)
                    bar.update()
            return output(args.out, found, results)
        options |= dict(min_segment_sec=args.min_segment or 0.0)
        found = analyse_all(inferencer, args.videos, args.video_out, args.plot_out, options)
        return output(args.out, found, segments)


def check_outputs(
    out: str | None,
    video_out: str | None,
    plot_out: str | None,
    videos: Sequence[str],
    live: bool,
) -> None:
    """Find out about a file that cannot be written before the work, not after it."""
    from ..files import PICTURES, check_target

    for path, endings in ((out, ('.json', '.csv')), (video_out, ('.mp4',)), (plot_out, PICTURES)):
        if path is not None:
            check_target(path, endings)
    if (video_out or plot_out) and (len(videos) > 1 or live):
        raise ValueError('--video-out and --plot-out are for one video file at a time')
    if live and (len(videos) > 1 or out):
        raise ValueError('a live stream is followed alone, and its output is not a file (--out)')


def analyse_all(
    inferencer: MSTAInferencer,
    videos: Sequence[str],
    video_out: str | None,
    plot_out: str | None,
    options: dict[str, Any],
) -> list[Any]:
    """Timelines of long videos, and the pictures that were asked for."""
    from tqdm import tqdm

    from ..inference.annotate import write_annotated_video, write_timeline_plot
    from ..inference.long_videos import analyse
    from ..inference.segments import Timeline
    from ..inference.sources import iter_sources

    timelines = []
    for source in iter_sources(videos):
        if source.error:
            timelines.append(Timeline(source.name, error=source.error))
            continue
        title = Path(source.name).name
        bar = tqdm(desc=title, unit='s of video', disable=None, leave=False)
        with stdout_is_for_results(), bar:
            timeline = analyse(
                inferencer,
                source.name,
                progress=partial(_move, bar),
                **options,
            )
            if timeline.ok and video_out:
                write_annotated_video(timeline, video_out)
            if timeline.ok and plot_out:
                write_timeline_plot(timeline, plot_out)
        timelines.append(timeline)
    return timelines


def follow(inferencer: MSTAInferencer, name: str, options: dict[str, Any]) -> int:
    """Print a stream's cells as they come: lines on a terminal, JSON lines in a pipe."""
    from ..files import dump_json
    from ..inference.long_videos import stream_cells
    from ..inference.segments import clock

    for cell in stream_cells(inferencer, int(name) if name.isdigit() else name, **options):
        if sys.stdout.isatty():
            best = f'{cell.label}  {cell.probabilities[0]:.2f}'
            print(f'{clock(cell.start_sec)} - {clock(cell.end_sec)}  {best}', flush=True)
        else:
            print(dump_json(vars(cell)), flush=True)
    return 0


def output(out: str | None, items: Sequence[Any], form: Any) -> int:
    """Write a table to a terminal, JSON to a pipe; with ``out`` that file and a table."""
    from ..inference.results import write_text

    if out is not None:
        write_text(out, form.to_csv(items) if out.lower().endswith('.csv') else form.to_json(items))
    as_table = out is not None or sys.stdout.isatty()
    sys.stdout.write(form.to_table(items) if as_table else form.to_json(items))
    return int(any(not item.ok for item in items))


main = make_main(build_parser, run)


def _move(bar: Any, cell: Any) -> None:
    bar.update(round(cell.end_sec) - bar.n)
