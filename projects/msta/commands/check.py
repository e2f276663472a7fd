"""``tools/data/check.py``: check lists and videos before a run, report, write a skip list."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
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
from .common import make_main

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
    add = parser.add_argument
    add('lists', nargs='+', help='lists, CSV files, or folders with a folder for each class')
    add('--videos', action='append', help='folder of the videos; one for all lists, or one each')
    add('--labels', help='class list: a file, or the name of a shipped one')
    add('--seen', help='class list of the pre-training set, for zero-shot tests')
    add('--classes', type=_positive, help='number of classes there should be')
    add('--count', type=_positive, help='videos there should be in each list')
    add('--shots', type=_positive, help='videos there should be of each class')
    add('--frames', type=_positive, default=8, help='frames to decode (%(default)s)')
    add('--no-decode', action='store_true', help='only look whether files are there')
    add('--workers', type=_positive, default=os.cpu_count(), help='decoders at a time')
    add('--limit-sec', type=float, default=60.0, help='longest decode (%(default)s)')
    add('--report', type=Path, help='JSON file to write; an interrupted check is continued')
    add('--skip-list', type=Path, help='write the unreadable videos here')
    return parser


def run(args: argparse.Namespace) -> int:
    """Check, print, write the report; 1 if there are errors, else 0."""
    try:
        return check(args)
    except KeyboardInterrupt:
        if args.report:
            print('the same command continues', file=sys.stderr)
        raise


def check(args: argparse.Namespace) -> int:
    from ..datasets.lists import check as checks
    from ..datasets.lists.probe import Probe, probe_videos

    for path in filter(None, (args.report, args.skip_list)):
        check_target(path, make_folder=True)
    labels = None if args.labels is None else read_labels(args.labels)
    if labels is None and all(Path(path).is_dir() for path in args.lists):
        labels = scan_folder(args.lists[0])[1]
    if args.seen is not None and labels is None:
        raise ValueError('--seen needs --labels, the classes of the set that is tested')
    expected = checks.Expected(args.classes, args.count, args.shots)
    problems: list[Problem] = []
    lists, roots = _read_lists(args, labels, problems)
    probes: dict[str, list[Probe]] = {}
    files: dict[str, dict[str, Path]] = {}
    journals = {name: Path(f'{args.report}.{name}.partial') for name in lists if args.report}
    for name, videos in lists.items():
        names = labels or [str(i) for i in range(1 + max(video.label for video in videos))]
        problems += checks.check_classes(name, videos, names, expected)
        problems += checks.check_duplicates(name, videos)
        root, paths = roots[name], [video.path for video in videos]
        found = {path: video_file(root / path) for path in paths}
        if args.no_decode:
            lacking = ('missing', 'file not found')
            probes[name] = [Probe(p, *(() if found[p].exists() else lacking)) for p in paths]
        else:
            probes[name] = probe_videos(
                root, paths, args.frames, args.workers, args.limit_sec, journals.get(name)
            )
        problems += checks.check_probes(name, probes[name], 0 if args.no_decode else args.frames)
        readable = {probe.path for probe in probes[name] if not probe.reason}
        files[name] = {p: file for p, file in found.items() if p in readable and file.is_file()}
        problems += checks.check_copies(name, files[name])
    if args.seen is not None and labels is not None:
        problems += checks.check_seen(args.labels or 'labels', labels, read_labels(args.seen))
    problems += checks.check_leakage(lists, files)
    summary = {name: _counts(videos, probes[name]) for name, videos in lists.items()}
    _print(summary, problems)
    if args.report is not None:
        _write_report(args, summary, problems)
    if args.skip_list is not None:
        bad = {p.path: p.detail for of_list in probes.values() for p in of_list if p.reason}
        write_skip_list(args.skip_list, bad)
        print(f'skip list: {args.skip_list} ({len(bad)} videos)')
    for journal in journals.values():
        journal.unlink(missing_ok=True)
    return int(any(problem.severity == 'error' for problem in problems))


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
    for path, root in zip(map(Path, args.lists), itertools.cycle(given)):
        if root is None and not path.is_dir():
            raise ValueError(f'{path}: give the folder of its videos by --videos')
        name = path.stem if path.stem not in lists else path.as_posix().replace('/', '_')
        try:
            lists[name] = read_annotations(path, labels)
        except AnnotationError as error:
            problems.append(Problem('list', 'error', name, str(error)))
            continue
        roots[name] = path if root is None else Path(root)
    return lists, roots


def _counts(videos: Sequence[Video], probes: Sequence[Probe]) -> dict[str, int]:
    failed = sum(bool(probe.reason) for probe in probes)
    return {
        'expected': len(videos),
        'decoded': len(videos) - failed,
        'failed': failed,
        'classes': len({video.label for video in videos}),
    }


def _print(summary: Mapping[str, Mapping[str, int]], problems: Sequence[Problem]) -> None:
    for name, counts in summary.items():
        print(
            f'{name}: {counts["expected"]} videos of {counts["classes"]} classes, '
            f'{counts["decoded"]} readable, {counts["failed"]} failed'
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


def _write_report(
    args: argparse.Namespace,
    summary: Mapping[str, Mapping[str, int]],
    problems: Sequence[Problem],
) -> None:
    undecoded = {'decoded': None} if args.no_decode else {}
    report = {
        'ok': not any(problem.severity == 'error' for problem in problems),
        'lists': {name: {**counts, **undecoded} for name, counts in summary.items()},
        'problems': [asdict(problem) for problem in problems],
    }
    write_json(args.report, report, indent=1)
    print(f'report: {args.report}')


main = make_main(build_parser, run)
