"""``tools/data/check.py``: check lists and videos before a run, report, write a skip list."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.lists.annotations import (
    AnnotationError,
    Video,
    read_annotations,
    scan_folder,
    video_file,
    write_lines,
    write_skip_list,
)
from ..files import check_target
from ..labels import read_labels
from .common import add_debug, run_tool

if TYPE_CHECKING:
    from ..datasets.lists.check import Problem
    from ..datasets.lists.probe import Probe

_SHOWN = 10
_ABOUT = """Check lists and videos before a run.

    tools/data/check.py train.txt test.txt --videos data/hmdb51/videos --labels hmdb51 \\
        --report report.json --skip-list skip.txt

Class indices and folder names against the class list; missing, unreadable, empty and repeated files
(frames of each video are decoded); videos that two lists share; counts; classes trained on. The
exit status is 1 if the data have errors, 2 if the check cannot be made as asked.
"""


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value} is not 1 or more')
    return value


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/data/check.py``."""
    parser = argparse.ArgumentParser(
        description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'lists', nargs='+', help='lists, CSV files, or folders with a folder for each class'
    )
    parser.add_argument(
        '--videos',
        action='append',
        help='folder of the videos; once for all lists, or once for each',
    )
    parser.add_argument('--labels', help='class list: a file, or the name of a shipped one')
    parser.add_argument('--seen', help='class list of the pre-training set, for zero-shot tests')
    parser.add_argument('--classes', type=_positive, help='number of classes there should be')
    parser.add_argument('--count', type=_positive, help='videos there should be in each list')
    parser.add_argument('--shots', type=_positive, help='videos there should be of each class')
    parser.add_argument('--frames', type=_positive, default=8, help='frames to decode (default 8)')
    parser.add_argument(
        '--no-decode', action='store_true', help='only look whether files are there'
    )
    parser.add_argument(
        '--workers', type=_positive, default=os.cpu_count(), help='decoders at a time'
    )
    parser.add_argument('--limit-sec', type=float, default=60.0, help='longest decode (default 60)')
    parser.add_argument(
        '--report', type=Path, help='JSON file to write; an interrupted check is continued'
    )
    parser.add_argument('--skip-list', type=Path, help='write the unreadable videos here')
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Check; return the exit status."""
    args = build_parser().parse_args(argv)
    status = run_tool(lambda: run(args), args.debug)
    if status == 130 and args.report:
        print('the same command continues', file=sys.stderr)
    return status


def run(args: argparse.Namespace) -> int:
    """Check what `args` name; print, write the report; 1 if there are errors, else 0."""
    from ..datasets.lists.check import (
        Expected,
        check_classes,
        check_copies,
        check_duplicates,
        check_leakage,
        check_probes,
        check_seen,
    )
    from ..datasets.lists.probe import Probe, probe_videos

    for path in filter(None, (args.report, args.skip_list)):
        check_target(path, make_folder=True)
    labels = None if args.labels is None else read_labels(args.labels)
    if labels is None and args.lists and all(Path(path).is_dir() for path in args.lists):
        labels = scan_folder(args.lists[0])[1]
    expected = Expected(args.classes, args.count, args.shots)
    problems: list[Problem] = []
    lists, roots = _read_lists(args, labels, problems)
    probes: dict[str, list[Probe]] = {}
    files: dict[str, dict[str, Path]] = {}
    journals = {
        name: None if args.report is None else Path(f'{args.report}.{name}.partial')
        for name in lists
    }
    for name, videos in lists.items():
        names = labels or [str(i) for i in range(1 + max(video.label for video in videos))]
        problems += check_classes(name, videos, names, expected)
        problems += check_duplicates(name, videos)
        root = roots[name]
        if args.no_decode:

            def there(video: Video, root: Path = root) -> bool:
                return video_file(root / video.path).exists()

            probes[name] = [
                Probe(v.path, *(() if there(v) else ('missing', 'file not found'))) for v in videos
            ]
        else:
            paths = [video.path for video in videos]
            probes[name] = probe_videos(
                root, paths, args.frames, args.workers, args.limit_sec, journals[name]
            )
        problems += check_probes(name, probes[name], 0 if args.no_decode else args.frames)
        found = {p.path: video_file(root / p.path) for p in probes[name] if not p.reason}
        files[name] = {path: file for path, file in found.items() if file.is_file()}
        problems += check_copies(name, files[name])
    if args.seen is not None:
        if labels is None:
            raise ValueError('--seen needs --labels, the classes of the set that is tested')
        problems += check_seen(args.labels or 'labels', labels, read_labels(args.seen))
    problems += check_leakage(lists, files)
    _print(lists, probes, problems)
    _write(args, lists, probes, problems)
    for journal in journals.values():
        if journal is not None:
            journal.unlink(missing_ok=True)
    return int(any(problem.severity == 'error' for problem in problems))


def _read_lists(
    args: argparse.Namespace, labels: Sequence[str] | None, problems: list[Problem]
) -> tuple[dict[str, list[Video]], dict[str, Path]]:
    from ..datasets.lists.check import Problem

    roots = args.videos or [None]
    if len(roots) not in (1, len(args.lists)):
        raise ValueError(
            f'{len(roots)} folders given by --videos for {len(args.lists)} lists: give one for all '
            'lists, or one for each'
        )
    roots = roots * len(args.lists) if len(roots) == 1 else roots
    lists: dict[str, list[Video]] = {}
    folders: dict[str, Path] = {}
    for path, root in zip(map(Path, args.lists), roots, strict=True):
        if root is None and not path.is_dir():
            raise ValueError(f'{path}: give the folder of its videos by --videos')
        name = path.stem if path.stem not in lists else path.as_posix().replace('/', '_')
        try:
            lists[name] = read_annotations(path, labels)
        except AnnotationError as error:
            problems.append(Problem('list', 'error', name, str(error)))
            continue
        folders[name] = Path(root) if root is not None else path
    return lists, folders


def _print(
    lists: dict[str, list[Video]], probes: dict[str, list[Probe]], problems: Sequence[Problem]
) -> None:
    for name, videos in lists.items():
        failed = sum(bool(probe.reason) for probe in probes[name])
        classes = len({video.label for video in videos})
        print(
            f'{name}: {len(videos)} videos of {classes} classes, {len(videos) - failed} readable, '
            f'{failed} failed'
        )
    grouped: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for problem in problems:
        grouped[problem.severity, problem.kind, problem.where].append(problem.detail)
    for (severity, kind, where), details in sorted(grouped.items()):
        print(f'{severity} [{kind}] {where}: {len(details)}')
        for detail in details[:_SHOWN]:
            print(f'  {detail}')
        if len(details) > _SHOWN:
            print(f'  and {len(details) - _SHOWN} more')
    errors = sum(problem.severity == 'error' for problem in problems)
    print(f'{errors} errors, {sum(p.severity == "warning" for p in problems)} warnings')


def _write(
    args: argparse.Namespace,
    lists: dict[str, list[Video]],
    probes: dict[str, list[Probe]],
    problems: Sequence[Problem],
) -> None:
    if args.report is not None:
        summary = {}
        for name, videos in lists.items():
            failed = sum(bool(probe.reason) for probe in probes[name])
            summary[name] = {
                'expected': len(videos),
                'decoded': None if args.no_decode else len(videos) - failed,
                'failed': failed,
                'classes': len({video.label for video in videos}),
            }
        report = {
            'ok': not any(problem.severity == 'error' for problem in problems),
            'lists': summary,
            'problems': [asdict(problem) for problem in problems],
        }
        write_lines(args.report, [json.dumps(report, indent=1)])
        print(f'report: {args.report}')
    if args.skip_list is not None:
        bad = {p.path: p.detail for found in probes.values() for p in found if p.reason}
        write_skip_list(args.skip_list, bad)
        print(f'skip list: {args.skip_list} ({len(bad)} videos)')
