"""The commands of ``tools/data/make_splits.py``: official files in, lists out. No torch."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..datasets.lists.annotations import AnnotationError, Video, read_annotations, write_lines
from ..datasets.lists.locate import locate
from ..datasets.lists.published import PUBLISHED, read_published
from ..datasets.lists.sources import (
    read_activitynet,
    read_hmdb51,
    read_kinetics,
    read_ssv2,
    read_ucf101,
)
from ..datasets.lists.splits import (
    base_and_novel,
    class_counts,
    class_sample,
    few_shot,
    restrict,
    unseen_classes,
)
from ..labels import read_labels

RECORD = 'splits.json'


def save(
    out: Path,
    lists: Mapping[str, Sequence[Video]],
    labels: Mapping[str, Sequence[str]],
    how: Mapping[str, object],
    sources: Iterable[str | Path] = (),
) -> None:
    """Write lists and class lists, print their sizes, and record in splits.json how they came."""
    record_path = out / RECORD
    record = json.loads(record_path.read_text()) if record_path.is_file() else {}
    digests = {Path(path).name: _digest(Path(path)) for path in sources}
    for name, names in labels.items():
        write_lines(out / f'{name}.txt', names)
        print(f'{out / name}.txt: {len(names)} class names')
    for name, videos in lists.items():
        if not videos:
            raise AnnotationError(
                f'{name}: no videos in this list; do the sources belong together?'
            )
        path = out / f'{name}.txt'
        write_lines(path, (f'{video.path} {video.label}' for video in videos))
        classes = len(class_counts(videos))
        record[path.name] = {
            'videos': len(videos),
            'classes': classes,
            'sha256': _digest(path),
            'made_by': dict(how),
            'sources': digests,
        }
        print(f'{path}: {len(videos)} videos of {classes} classes')
    write_lines(record_path, [json.dumps(record, indent=1, sort_keys=True)])


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder in the order of their names."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def kinetics(args: argparse.Namespace) -> None:
    labels = read_labels(args.labels)
    lists = {Path(path).stem: read_kinetics(path, labels, args.layout) for path in args.csv}
    save(args.out, lists, {}, {'command': 'kinetics', 'layout': args.layout}, args.csv)


def _three_splits(
    args: argparse.Namespace, read: Callable[[Path, Sequence[str], int], dict[str, list[Video]]]
) -> None:
    labels = read_labels(args.labels)
    lists = {}
    for split in (1, 2, 3):
        for part, videos in read(args.annotations, labels, split).items():
            if args.flat:
                videos = [Video(Path(video.path).name, video.label) for video in videos]
            lists[f'{part}{split}'] = videos
    save(args.out, lists, {}, {'command': args.command, 'flat': args.flat}, [args.annotations])


def ucf101(args: argparse.Namespace) -> None:
    _three_splits(args, read_ucf101)


def hmdb51(args: argparse.Namespace) -> None:
    _three_splits(args, read_hmdb51)


def ssv2(args: argparse.Namespace) -> None:
    labels = read_labels(args.labels)
    lists = {'train': read_ssv2(args.train, labels), 'val': read_ssv2(args.val, labels)}
    save(args.out, lists, {}, {'command': 'ssv2'}, [args.train, args.val])


def activitynet(args: argparse.Namespace) -> None:
    names = None if args.labels is None else read_labels(args.labels)
    lists, names, mixed = read_activitynet(args.json, names)
    print(f'{mixed} videos have segments of several classes: the longest in total counts')
    save(args.out, lists, {'labels': names}, {'command': 'activitynet'}, [args.json])


def few_shot_lists(args: argparse.Namespace) -> None:
    videos = read_annotations(args.train, read_labels(args.labels))
    lists = {
        f'train_{shots}shot_seed{seed}': few_shot(videos, shots, seed, args.allow_fewer)
        for shots in args.shots
        for seed in args.seeds
    }
    save(args.out, lists, {}, {'command': 'few-shot'}, [args.train])


def base_novel(args: argparse.Namespace) -> None:
    names = read_labels(args.labels)
    train, test = (read_annotations(path, names) for path in (args.train, args.test))
    base, novel = base_and_novel(train, len(names))
    lists = {
        f'base_train_{args.shots}shot_seed{seed}': few_shot(
            restrict(train, base), args.shots, seed, args.allow_fewer
        )
        for seed in args.seeds
    }
    lists['base_test'], lists['novel_test'] = restrict(test, base), restrict(test, novel)
    labels = {
        'base_labels': [names[index] for index in base],
        'novel_labels': [names[index] for index in novel],
    }
    save(args.out, lists, labels, {'command': 'base-novel'}, [args.train, args.test])


def zero_shot(args: argparse.Namespace) -> None:
    names = read_labels(args.labels)
    test = read_annotations(args.test, names)
    if args.seen is None:
        classes, size = list(range(len(names))), args.classes or len(names) // 2
    else:
        classes = unseen_classes(names, read_labels(args.seen))
        size = args.classes or len(classes)
        print(f'{len(classes)} of {len(names)} classes are not in {args.seen}')
    lists, labels = {}, {}
    for seed in args.seeds:
        chosen = class_sample(classes, size, seed)
        lists[f'test_split{seed}'] = restrict(test, chosen)
        labels[f'labels_split{seed}'] = [names[index] for index in chosen]
    how = {'command': 'zero-shot', 'classes': size, 'seen': args.seen and str(args.seen)}
    save(args.out, lists, labels, how, [args.test])


def published(args: argparse.Namespace) -> None:
    """Check every list (or those asked for); with a video folder, write them with its paths."""
    unknown = set(args.names or ()) - set(PUBLISHED)
    if unknown:
        raise AnnotationError(
            f'no published list {", ".join(sorted(unknown))}: choose of {", ".join(PUBLISHED)}'
        )
    if (args.videos is None) != (args.out is None):
        raise AnnotationError('--videos and --out go together')
    total, problems, absent = 0, [], 0
    for name in args.names or PUBLISHED:
        try:
            videos, names = read_published(args.root, name)
        except ValueError as error:
            problems.append(str(error))
            continue
        total += len(videos)
        print(f'{name}: {len(videos)} videos of {len(names)} classes')
        if args.out is not None:
            found, missing = locate(videos, names, args.videos)
            absent += len(missing)
            for video in missing[:5]:
                print(f'  not found: {video.path}')
            if missing:
                print(f'  {len(missing)} of {len(videos)} are not below {args.videos}')
            file = name.replace('/', '_')
            how = {'command': 'published', 'name': name, 'missing': len(missing)}
            if found:
                save(args.out, {file: found}, {f'{file}_labels': names}, how)
    print(f'{total} videos in all')
    if absent:
        problems.append(f'{absent} videos were not found; the lists lack them')
    if problems:
        raise AnnotationError('\n'.join(problems))


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    'kinetics': kinetics,
    'ucf101': ucf101,
    'hmdb51': hmdb51,
    'ssv2': ssv2,
    'activitynet': activitynet,
    'few-shot': few_shot_lists,
    'base-novel': base_novel,
    'zero-shot': zero_shot,
    'published': published,
}
