"""Make lists of videos from official annotation files, and splits from lists.

A list has `path label` lines; each command writes lists, class lists and splits.json, which records
how they were made. The same arguments give the same files. See docs/data.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets.lists.annotations import AnnotationError, Video, read_annotations
from ..datasets.lists.locate import locate
from ..datasets.lists.published import PUBLISHED, read_published
from ..datasets.lists.record import save
from ..datasets.lists.sources import (
    read_activitynet,
    read_hmdb51,
    read_kinetics,
    read_ssv2,
    read_ucf101,
)
from ..datasets.lists.splits import base_and_novel, class_sample, few_shot, restrict, unseen_classes
from ..labels import read_labels
from .common import DEBUG, make_main, make_parser


class Made(NamedTuple):
    """What a command makes: lists and class lists by name, from which files, with what settings."""

    lists: Mapping[str, Sequence[Video]]
    sources: Sequence[str | Path]
    labels: Mapping[str, Sequence[str]] = {}
    settings: Mapping[str, object] = {}


def kinetics(args: argparse.Namespace) -> Made:
    labels = read_labels(args.labels)
    lists = {Path(path).stem: read_kinetics(path, labels, args.layout) for path in args.csv}
    return Made(lists, args.csv, settings={'layout': args.layout})


def three_splits(args: argparse.Namespace) -> Made:
    read = {'ucf101': read_ucf101, 'hmdb51': read_hmdb51}[args.command]
    labels = read_labels(args.labels)
    lists = {}
    for split in (1, 2, 3):
        for part, videos in read(args.annotations, labels, split).items():
            if args.flat:
                videos = [Video(Path(video.path).name, video.label) for video in videos]
            lists[f'{part}{split}'] = videos
    return Made(lists, [args.annotations], settings={'flat': args.flat})


def ssv2(args: argparse.Namespace) -> Made:
    labels = read_labels(args.labels)
    lists = {'train': read_ssv2(args.train, labels), 'val': read_ssv2(args.val, labels)}
    return Made(lists, [args.train, args.val])


def activitynet(args: argparse.Namespace) -> Made:
    names = None if args.labels is None else read_labels(args.labels)
    lists, names, mixed = read_activitynet(args.json, names)
    print(f'{mixed} videos have segments of several classes: the longest in total counts')
    return Made(lists, [args.json], {'labels': names})


def few_shot_lists(args: argparse.Namespace) -> Made:
    names = read_labels(args.labels)
    videos = read_annotations(args.train, names)
    lists = {
        f'train_{shots}shot_seed{seed}': few_shot(videos, shots, seed, args.allow_fewer, names)
        for shots in args.shots
        for seed in args.seeds
    }
    return Made(lists, [args.train])


def base_novel(args: argparse.Namespace) -> Made:
    names = read_labels(args.labels)
    train, test = (read_annotations(path, names) for path in (args.train, args.test))
    base, novel = base_and_novel(train, len(names))
    labels = {
        'base_labels': [names[index] for index in base],
        'novel_labels': [names[index] for index in novel],
    }
    of_base = restrict(train, base)
    lists = {
        f'base_train_{args.shots}shot_seed{seed}': few_shot(
            of_base, args.shots, seed, args.allow_fewer, labels['base_labels']
        )
        for seed in args.seeds
    }
    lists['base_test'], lists['novel_test'] = restrict(test, base), restrict(test, novel)
    return Made(lists, [args.train, args.test], labels)


def zero_shot(args: argparse.Namespace) -> Made:
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
    return Made(lists, [args.test], labels, {'classes': size, 'seen': args.seen})


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
                said = save(args.out, {file: found}, {f'{file}_labels': names}, how)
                print(*said, sep='\n')
    print(f'{total} videos in all')
    if absent:
        problems.append(f'{absent} videos were not found; the lists lack them')
    if problems:
        raise AnnotationError('\n'.join(problems))


parser = make_parser(__doc__)
_commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
_TRAIN = argparse.ArgumentParser(add_help=False)
_TRAIN.add_argument('--train', required=True, help='training list')
_TRAIN.add_argument('--allow-fewer', action='store_true', help='classes may have fewer videos')
_TEST = argparse.ArgumentParser(add_help=False)
_TEST.add_argument('--test', required=True, help='test list')


def _command(
    make: Callable[[argparse.Namespace], Made | None],
    name: str,
    text: str,
    *parents: argparse.ArgumentParser,
    labels: str | None = None,
) -> Callable[..., Any]:
    """Add a subcommand whose class list is ``labels`` unless given; return its adder."""
    parents = (*parents, DEBUG)
    made = _commands.add_parser(name, help=text, description=text, parents=parents)
    made.set_defaults(make=make)
    made.add_argument('--out', type=Path, required=make is not published, help='folder to write to')
    made.add_argument(
        '--labels',
        default=labels,
        required=labels is None and make not in (activitynet, published),  # these bring their own
        help=f'class list: a file, or the name of a shipped one (default: {labels})',
    )
    return made.add_argument


add = _command(kinetics, 'kinetics', 'Kinetics-400/600 from train.csv, ...', labels='kinetics400')
add('csv', nargs='+', help='official CSV files')
add(
    '--layout',
    choices=('split', 'class'),
    default='split',
    help='where videos lie: train/ID.mp4 (split, default) or train/CLASS/ID.mp4 (class)',
)
for _name, _folder in (('ucf101', 'ucfTrainTestlist'), ('hmdb51', 'testTrainMulti_7030_splits')):
    add = _command(three_splits, _name, f'official splits from {_folder}', labels=_name)
    add('annotations', type=Path, help=f'the folder {_folder}')
    add('--flat', action='store_true', help='videos without class folders')
add = _command(ssv2, 'ssv2', 'Something-Something v2 from its two JSON files', labels='ssv2')
add('train', help='something-something-v2-train.json')
add('val', help='something-something-v2-validation.json')
add = _command(activitynet, 'activitynet', 'video-level labels from ActivityNet JSON')
add('json', help='activity_net.v1-3.min.json')
add = _command(few_shot_lists, 'few-shot', 'K videos per class; fewer are a subset of more', _TRAIN)
add('--shots', type=int, nargs='+', default=[2, 4, 8, 16])
add('--seeds', type=int, nargs='+', default=[1])
_text = 'halve the classes: base (more frequent in training) and novel'
add = _command(base_novel, 'base-novel', _text, _TRAIN, _TEST)
add('--shots', type=int, default=16)
add('--seeds', type=int, nargs='+', default=[1, 2, 3])
_text = 'test lists of some classes: a random half, or of those not seen'
add = _command(zero_shot, 'zero-shot', _text, _TEST)
add('--seen', help='class list trained on; its classes are left out')
add('--classes', type=int, help='classes per split (default: half, or all new)')
add('--seeds', type=int, nargs='+', default=[1, 2, 3])
add = _command(published, 'published', "check ViFi-CLIP's lists, or write them for your folders")
add('root', type=Path, help='the folder with datasets_splits/ and labels/')
add('--names', nargs='+', help='only these lists, e.g. base2novel/hmdb/base_val')
add('--videos', type=Path, help='find the videos below this folder by name; needs --out')


def run(args: argparse.Namespace) -> None:
    made = args.make(args)
    if made is not None:
        how = {'command': args.command, **made.settings}
        print(*save(args.out, made.lists, made.labels, how, made.sources), sep='\n')


main = make_main(parser, run)
