"""Check lists and videos before a run.

    tools/data/check.py train.txt test.txt --videos data/hmdb51/videos --labels hmdb51 \\
        --report report.json --skip-list skip.txt

Class indices and folder names against the class list; missing, unreadable, empty and repeated files
(frames of each video are decoded); videos that two lists share; counts; classes trained on. The
exit status is 1 if the data have errors, 2 if the check cannot be made as asked.
"""

from __future__ import annotations

import argparse
import itertools
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
    write_skip_list,
)
from ..files import check_target, write_json
from ..labels import read_labels
from ..spelling import few
from .common import integer, make_main, make_parser

if TYPE_CHECKING:
    from ..datasets.lists.check import Problem
    from ..datasets.lists.probe import Probe

parser = make_parser(__doc__)
add = parser.add_argument
add('lists', nargs='+', type=Path, help='lists, CSV files, or folders with a folder for each class')
add('--videos', action='append', type=Path, help='folder of the videos; one for all, or one each')
add('--labels', help='class list: a file, or the name of a shipped one')
add('--seen', help='class list of the pre-training set, for zero-shot tests')
add('--classes', type=integer(1), help='number of classes there should be')
add('--count', type=integer(1), help='videos there should be in each list')
add('--shots', type=integer(1), help='videos there should be of each class')
add('--frames', type=integer(1), default=8, help='frames to decode (%(default)s)')
add('--no-decode', action='store_true', help='only look whether files are there')
add('--workers', type=integer(1), default=os.cpu_count(), help='decoders at a time')
add('--limit-sec', type=float, default=60.0, help='longest decode (%(default)s)')
add('--report', type=Path, help='JSON file to write; an interrupted check is continued')
add('--skip-list', type=Path, help='write the unreadable videos here')


def run(args: argparse.Namespace) -> int:
    """Check, print, write the report; 1 if there are errors, else 0."""
    from ..datasets.lists import check

    for path in filter(None, (args.report, args.skip_list)):
        check_target(path, make_folder=True)
    labels = None if args.labels is None else read_labels(args.labels)
    if labels is None and all(path.is_dir() for path in args.lists):
        labels = scan_folder(args.lists[0])[1]
    if args.seen is not None and labels is None:
        raise ValueError('--seen needs --labels, the classes of the set that is tested')
    expected = check.Expected(args.classes, args.count, args.shots)
    problems: list[Problem] = []
    lists, roots = _read_lists(args, labels, problems)
    journals = {name: Path(f'{args.report}.{name}.partial') for name in lists if args.report}
    probes: dict[str, list[Probe]] = {}
    files: dict[str, dict[str, Path]] = {}
    for name, videos in lists.items():
        names = labels or [str(i) for i in range(1 + max(video.label for video in videos))]
        problems += check.check_classes(name, videos, names, expected)
        problems += check.check_duplicates(name, videos)
        paths = [video.path for video in videos]
        probes[name] = _probe(args, roots[name], paths, journals.get(name))
        problems += check.check_probes(name, probes[name], 0 if args.no_decode else args.frames)
        readable = {probe.path for probe in probes[name] if not probe.reason}
        found = {path: video_file(roots[name] / path) for path in paths if path in readable}
        files[name] = {path: file for path, file in found.items() if file.is_file()}
        problems += check.check_copies(name, files[name])
    if args.seen is not None and labels is not None:
        problems += check.check_seen(args.labels or 'labels', labels, read_labels(args.seen))
    problems += check.check_leakage(lists, files)
    counts = {name: _count(videos, probes[name]) for name, videos in lists.items()}
    _print(counts, problems)
    errors = any(problem.severity == 'error' for problem in problems)
    if args.report is not None:
        undecoded = {'decoded': None} if args.no_decode else {}
        report = {
            'ok': not errors,
            'lists': {name: {**count, **undecoded} for name, count in counts.items()},
            'problems': [asdict(problem) for problem in problems],
        }
        write_json(args.report, report, indent=1)
        print(f'report: {args.report}')
    if args.skip_list is not None:
        bad = {p.path: p.detail for of_list in probes.values() for p in of_list if p.reason}
        write_skip_list(args.skip_list, bad)
        print(f'skip list: {args.skip_list} ({len(bad)} videos)')
    for journal in journals.values():
        journal.unlink(missing_ok=True)
    return int(errors)


def _read_lists(
    args: argparse.Namespace, labels: Sequence[str] | None, problems: list[Problem]
) -> tuple[dict[str, list[Video]], dict[str, Path]]:
    """Videos and folder of each list; what is wrong with a list goes to ``problems``."""
    from ..datasets.lists.check import Problem

    given = args.videos or [None]
    if len(given) not in (1, len(args.lists)):
        raise ValueError(
            f'{len(given)} folders given by --videos for {len(args.lists)} lists: give one for all '
            'lists, or one for each'
        )
    lists: dict[str, list[Video]] = {}
    roots: dict[str, Path] = {}
    for path, root in zip(args.lists, itertools.cycle(given)):
        if root is None and not path.is_dir():
            raise ValueError(f'{path}: give the folder of its videos by --videos')
        name = path.stem if path.stem not in lists else path.as_posix().replace('/', '_')
        try:
            lists[name] = read_annotations(path, labels)
            roots[name] = root or path
        except AnnotationError as error:
            problems.append(Problem('list', 'error', name, str(error)))
    return lists, roots


def _probe(
    args: argparse.Namespace, root: Path, paths: Sequence[str], journal: Path | None
) -> list[Probe]:
    from ..datasets.lists.probe import Probe, probe_videos

    if args.no_decode:
        lacking = ('missing', 'file not found')
        return [Probe(p, *(() if video_file(root / p).exists() else lacking)) for p in paths]
    try:
        return probe_videos(root, paths, args.frames, args.workers, args.limit_sec, journal)
    except KeyboardInterrupt:
        if args.report:
            print('the same command continues', file=sys.stderr)
        raise


def _count(videos: Sequence[Video], probes: Sequence[Probe]) -> dict[str, int]:
    failed = sum(bool(probe.reason) for probe in probes)
    decoded, classes = len(videos) - failed, len({video.label for video in videos})
    return {'expected': len(videos), 'decoded': decoded, 'failed': failed, 'classes': classes}


def _print(counts: dict[str, dict[str, int]], problems: Sequence[Problem]) -> None:
    for name, count in counts.items():
        print(
            f'{name}: {count["expected"]} videos of {count["classes"]} classes, '
            f'{count["decoded"]} readable, {count["failed"]} failed'
        )
    grouped: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for problem in problems:
        grouped[problem.severity, problem.kind, problem.where].append(problem.detail)
    for (severity, kind, where), details in sorted(grouped.items()):
        print(f'{severity} [{kind}] {where}: {len(details)}')
        print('  ' + few(details, 10, '\n  '))
    of_kind = [problem.severity for problem in problems]
    print(f'{of_kind.count("error")} errors, {of_kind.count("warning")} warnings')


main = make_main(parser, run)
