"""What ``tools/data/check.py`` does: run the checks, report, write a skip list. No torch."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..datasets.lists.annotations import (
    AnnotationError,
    Video,
    read_annotations,
    scan_folder,
    write_lines,
)
from ..datasets.lists.check import (
    Expected,
    Problem,
    check_classes,
    check_copies,
    check_duplicates,
    check_leakage,
    check_probes,
    check_seen,
)
from ..datasets.lists.probe import Probe, probe_videos
from ..labels import read_labels
from .common import print_any_name

_SHOWN = 10


def run(args: argparse.Namespace) -> int:
    """Check what `args` name; print, write the report; 1 if there are errors, else 0."""
    print_any_name()
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
            probes[name] = [
                Probe(v.path, *(() if (root / v.path).exists() else ('missing', 'file not found')))
                for v in videos
            ]
        else:
            paths = [video.path for video in videos]
            probes[name] = probe_videos(
                root, paths, args.frames, args.workers, args.limit_sec, journals[name]
            )
        problems += check_probes(name, probes[name], 0 if args.no_decode else args.frames)
        found = {p.path: root / p.path for p in probes[name] if not p.reason}
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
        write_lines(args.skip_list, (f'{path}\t{detail}' for path, detail in sorted(bad.items())))
        print(f'skip list: {args.skip_list} ({len(bad)} videos)')
