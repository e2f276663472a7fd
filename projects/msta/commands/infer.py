"""What ``tools/infer.py`` does."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inference import results as short_form
from ..inference import segments as long_form
from ..inference.results import VideoResult, write_text
from ..inference.segments import Cell, Timeline, clock
from ..inference.streams import is_live
from ..training.config import ConfigError

if TYPE_CHECKING:
    from ..inference.inferencer import MSTAInferencer

_LONG = ('window', 'stride', 'smooth', 'min_segment', 'video_out', 'plot_out')


def parse_labels(text: str | None) -> str | list[str] | None:
    """``'a, b, c'`` -> names; a file or a shipped list stays what it is."""
    if text is None or ',' not in text or Path(text).is_file():
        return text
    return [name.strip() for name in text.split(',') if name.strip()]


@contextlib.contextmanager
def stdout_is_for_results() -> Iterator[None]:
    """Send what libraries print to stderr: stdout may be a pipe that expects JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def make_inferencer(args: argparse.Namespace) -> MSTAInferencer:
    """The inferencer that the options of a command line ask for."""
    from mmengine.logging import MMLogger

    from ..inference.inferencer import MSTAInferencer

    MMLogger.get_current_instance().setLevel('WARNING')
    config, checkpoint = args.config, args.checkpoint
    if checkpoint is not None and is_foundation(checkpoint):
        if config is None:
            config, checkpoint = checkpoint, None
        else:
            args.foundation, checkpoint = args.foundation or checkpoint, None
    return MSTAInferencer(
        config,
        checkpoint,
        parse_labels(args.labels),
        args.device,
        foundation=args.foundation,
        templates=args.template,
        none_of_these=getattr(args, 'none_of_these', None),
        batch_size=args.batch_size,
    )


def is_foundation(path: str) -> bool:
    """Whether a file holds a whole foundation instead of trained adapters."""
    from ..models.checkpoints import CheckpointError, read_checkpoint

    if Path(path).is_dir() or path.endswith('.safetensors'):
        return True
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        return 'not a checkpoint of this project' in str(error) or 'not a PyTorch' in str(error)
    return False


def infer(args: argparse.Namespace) -> list[str]:
    """Recognise, print and write; give the errors of the videos that failed."""
    check_outputs(args)
    long = any(getattr(args, name) is not None for name in _LONG)
    long = long or any(is_live(video) for video in args.videos)
    with stdout_is_for_results():
        inferencer = make_inferencer(args)
    with inferencer:
        return _infer_long(args, inferencer) if long else _infer_short(args, inferencer)


def check_outputs(args: argparse.Namespace) -> None:
    """Find out about a file that cannot be written before the work, not after it."""
    if args.out is not None and Path(args.out).suffix.lower() not in ('.json', '.csv'):
        raise ConfigError(f'--out {args.out}: the file name must end in .json or .csv')
    if args.video_out is not None and not args.video_out.lower().endswith('.mp4'):
        raise ConfigError(f'--video-out {args.video_out}: the file name must end in .mp4')
    for path in (args.out, args.video_out, args.plot_out):
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise FileNotFoundError(f'{path}: the folder {Path(path).parent} does not exist')
    if (args.video_out or args.plot_out) and (len(args.videos) > 1 or is_live(args.videos[0])):
        raise ConfigError('--video-out and --plot-out are for one video file at a time')


def _infer_short(args: argparse.Namespace, inferencer: MSTAInferencer) -> list[str]:
    found: list[VideoResult] = []
    with stdout_is_for_results():
        from tqdm import tqdm

        iterator = inferencer.iterate(args.videos, args.topk)
        found.extend(tqdm(iterator, desc='videos', unit='', disable=None, leave=False))
    _output(args.out, found, short_form)
    return [result.error for result in found if result.error]


def _infer_long(args: argparse.Namespace, inferencer: MSTAInferencer) -> list[str]:
    from ..inference.long_videos import analyse
    from ..inference.sources import iter_sources

    window = 2.0 if args.window is None else args.window
    options: dict[str, Any] = dict(
        window_sec=window,
        stride_sec=window / 2 if args.stride is None else args.stride,
        smoothing=3 if args.smooth is None else args.smooth,
        topk=args.topk,
    )
    if any(is_live(video) for video in args.videos):
        _follow(args, inferencer, options)
        return []
    timelines = []
    for source in iter_sources(args.videos):
        if source.error:
            timelines.append(Timeline(source.name, error=source.error))
            continue
        with stdout_is_for_results(), _progress(source.name) as progress:
            timeline = analyse(
                inferencer,
                source.name,
                min_segment_sec=args.min_segment or 0.0,
                progress=progress,
                **options,
            )
            _pictures(args, timeline)
        timelines.append(timeline)
    _output(args.out, timelines, long_form)
    return [timeline.error for timeline in timelines if timeline.error]


def _pictures(args: argparse.Namespace, timeline: Timeline) -> None:
    from ..inference.annotate import write_annotated_video, write_timeline_plot

    if not timeline.ok:
        return
    if args.video_out:
        write_annotated_video(timeline, args.video_out)
    if args.plot_out:
        write_timeline_plot(timeline, args.plot_out)


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Callable[[Cell], None]]:
    from tqdm import tqdm

    with tqdm(desc=Path(name).name, unit='s of video', disable=None, leave=False) as bar:
        yield lambda cell: bar.update(round(cell.end_sec) - bar.n) and None


def _follow(args: argparse.Namespace, inferencer: MSTAInferencer, options: dict[str, Any]) -> None:
    """Print a stream's cells as they come: lines on a terminal, JSON lines in a pipe."""
    from ..inference.long_videos import stream_cells

    if len(args.videos) > 1 or args.out:
        raise ConfigError('a live stream is followed alone, and its output is not a file (--out)')
    (name,) = args.videos
    for cell in stream_cells(inferencer, int(name) if name.isdigit() else name, **options):
        if sys.stdout.isatty():
            best = f'{cell.label}  {cell.probabilities[0]:.2f}'
            print(f'{clock(cell.start_sec)} - {clock(cell.end_sec)}  {best}', flush=True)
        else:
            print(json.dumps(vars(cell), ensure_ascii=False), flush=True)


def _output(out: str | None, items: Sequence[Any], form: Any) -> None:
    """A table on a terminal, JSON in a pipe; with ``out`` that file and a table."""
    if out is not None:
        text = form.to_csv(items) if out.lower().endswith('.csv') else form.to_json(items)
        write_text(out, text)
    as_table = out is not None or sys.stdout.isatty()
    sys.stdout.write(form.to_table(items) if as_table else form.to_json(items))
