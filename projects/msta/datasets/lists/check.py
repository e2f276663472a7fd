"""Checks of lists and videos before a run: what would fail, shift a label or leak. No torch."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ...spelling import few
from .annotations import Video
from .probe import Probe
from .sources import normalise
from .splits import class_counts

_KINETICS = re.compile(r'(.{11})_\d{6}_\d{6}$')
_UCF101 = re.compile(r'v_([A-Za-z]+)_(g\d\d)_c\d\d$')
_ARTICLE = re.compile(r'^(an?|the) ', re.I)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    ``kind`` is a stable word for programs; ``severity`` is 'error' (the run would be wrong or
    incomplete), 'warning' (it may be) or 'note'.
    """

    kind: str
    severity: str
    where: str  # name of the list, or of both lists
    detail: str
    path: str = ''  # the video, if it is about one
    count: int = 1  # how many videos it is about


@dataclass(frozen=True, slots=True)
class Expected:
    """Counts that a protocol asks for; None: not checked."""

    classes: int | None = None
    videos: int | None = None
    shots: int | None = None


def check_classes(
    name: str, videos: Sequence[Video], labels: Sequence[str], expected: Expected
) -> list[Problem]:
    """Class indices against folder names, and counts against what is expected."""
    problems = list(_mislabelled(name, videos, labels))
    counts = class_counts(videos)
    absent = [label for index, label in enumerate(labels) if index not in counts]
    if absent:
        detail = f'{len(absent)} of {len(labels)} classes have no video: {few(absent)}'
        problems.append(Problem('class_without_videos', 'warning', name, detail))
    lowest, highest = min(counts.values(), default=0), max(counts.values(), default=0)
    shots = lowest if lowest == highest else f'{lowest} to {highest}'
    for what, found, wanted in (
        ('classes', len(labels), expected.classes),
        ('videos', len(videos), expected.videos),
        ('videos per class', shots, expected.shots),
    ):
        if wanted is not None and found != wanted:
            detail = f'{found} {what}, the protocol has {wanted}'
            problems.append(Problem('count', 'error', name, detail))
    return problems


def _mislabelled(name: str, videos: Sequence[Video], labels: Sequence[str]) -> Iterable[Problem]:
    """Videos whose folder (or UCF-101 file name) is the name of another class than their own."""
    index = {normalise(label): position for position, label in enumerate(labels)}
    # "a ring moving left" lies in ring_moving_left.
    bare = {normalise(_ARTICLE.sub('', text)): position for position, text in enumerate(labels)}
    index = bare | index
    wrong = []
    for video in videos:
        path = Path(video.path)
        ucf = _UCF101.match(path.stem)
        words = [*path.parts[:-1], *([ucf.group(1)] if ucf else [])]
        named = {index[key] for key in map(normalise, words) if key in index}
        if named and video.label not in named:
            wrong.append((video, min(named)))
    if wrong:
        shifts = {video.label - label for video, label in wrong}
        shifted = len(shifts) == 1 and len(wrong) > 1
        hint = f'; all indices are off by {min(shifts)}' if shifted else ''
        video, label = wrong[0]
        yield Problem(
            'label_mismatch',
            'error',
            name,
            f'{len(wrong)} of {len(videos)} videos lie in the folder of another class{hint}: '
            f'{video.path} has class {video.label} ({labels[video.label]}), its folder says '
            f'{label} ({labels[label]})',
            count=len(wrong),
        )


def check_duplicates(name: str, videos: Sequence[Video]) -> list[Problem]:
    """Paths that are listed twice, with one class or with several."""
    by_path: dict[str, list[int]] = defaultdict(list)
    for video in videos:
        by_path[video.path].append(video.label)
    problems = []
    for path, found in by_path.items():
        classes = sorted(set(found))
        if len(classes) > 1:
            detail = f'{path} is listed with the classes {classes}'
            problems.append(Problem('duplicate', 'error', name, detail, path))
        elif len(found) > 1:
            detail = f'{path} is listed {len(found)} times'
            problems.append(Problem('duplicate', 'warning', name, detail, path))
    return problems


def check_seen(name: str, labels: Sequence[str], seen: Sequence[str]) -> list[Problem]:
    """Classes of a zero-shot set that the pre-training set has too."""
    known = {normalise(label) for label in seen}
    shared = [label for label in labels if normalise(label) in known]
    if not shared:
        return []
    detail = f'{len(shared)} of {len(labels)} classes were trained on: {few(shared, 10)}'
    return [Problem('seen_class', 'warning', name, detail)]


def recording(video: Video) -> str | None:
    """What a video was cut from, if its name tells: Kinetics' YouTube id, UCF-101's group."""
    stem = Path(video.path).stem
    kinetics, ucf = _KINETICS.match(stem), _UCF101.match(stem)
    if kinetics:
        return kinetics.group(1)
    if ucf:
        return f'{ucf.group(1)}_{ucf.group(2)}'
    return None


def check_leakage(
    lists: Mapping[str, Sequence[Video]], files: Mapping[str, Mapping[str, Path]]
) -> list[Problem]:
    """Videos that two lists share: by path, by recording, or by content.

    Args:
        lists: name -> videos, e.g. 'train' and 'test'.
        files: name -> path in the list -> existing file; only these are compared by content.
    """
    problems = []
    for first, second in combinations(lists, 2):
        ours, theirs = files.get(first, {}), files.get(second, {})
        known = {ours.get(video.path, video.path) for video in lists[first]}
        same = {v.path: None for v in lists[second] if theirs.get(v.path, v.path) in known}
        copies = [f'{a} and {b}' for a, b in _same_content(ours, theirs) if ours[a] != theirs[b]]
        origins = {source: video.path for video in lists[first] if (source := recording(video))}
        cut = [
            f'{origin} and {video.path}'
            for video in lists[second]
            if video.path not in same and (origin := origins.get(recording(video) or ''))
        ]
        for kind, found, text in (
            ('leakage', list(same), 'videos are in both lists'),
            ('leakage', copies, 'videos are in both lists under two names'),
            ('leakage_recording', cut, 'videos are cut from a recording the other list has'),
        ):
            if found:
                detail = f'{len(found)} {text}: {few(found)}'
                problems.append(Problem(kind, 'error', f'{first}, {second}', detail))
    return problems


def check_copies(name: str, files: Mapping[str, Path]) -> list[Problem]:
    """Files of one list with the same content under several names."""
    pairs = [f'{a} and {b}' for a, b in _same_content(files, files) if a < b]
    if not pairs:
        return []
    detail = f'{len(pairs)} pairs of files have the same content: {few(pairs)}'
    return [Problem('copy', 'warning', name, detail)]


def _same_content(
    first: Mapping[str, Path], second: Mapping[str, Path]
) -> Iterable[tuple[str, str]]:
    """Pairs of list paths with equal files; only files of equal size are read."""
    sizes: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, files in enumerate((first, second)):
        for path, file in files.items():
            sizes[file.stat().st_size][side].append(path)
    for size, (ours, theirs) in sizes.items():
        if not size or not ours or not theirs:
            continue
        if ours == theirs and len(ours) == 1:
            continue  # a file and itself
        digests: dict[str, list[str]] = defaultdict(list)
        for path in ours:
            digests[_digest(first[path])].append(path)
        for path in theirs:
            for other in digests.get(_digest(second[path]), ()):
                yield other, path


def _digest(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def check_probes(name: str, probes: Sequence[Probe], num_frames: int) -> list[Problem]:
    """Unreadable and damaged videos, and those with fewer frames than a clip asks for."""
    problems = []
    for probe in probes:
        found = []
        if probe.reason:
            found.append((probe.reason, 'error', probe.detail))
        elif probe.num_frames < num_frames:
            text = f'{probe.num_frames} frames for a clip of {num_frames}, some repeated'
            found.append(('few_frames', 'note', text))
        if probe.damaged:
            share = max(0.01, probe.damaged)
            text = f'{share:.0%} of its frames are missing or damaged: the decoder reports errors'
            text += ' in them, or in what they build on'
            found.append(('damaged_frames', 'warning', text))
        for kind, severity, text in found:
            problems.append(Problem(kind, severity, name, f'{probe.path}: {text}', probe.path))
    return problems
