"""``tools/data/make_splits.py``: official files in, lists out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

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
from ..datasets.lists.splits import (
    base_and_novel,
    class_sample,
    few_shot,
    restrict,
    unseen_classes,
)
from ..labels import read_labels
from .common import add_debug, make_main

Action = Callable[[argparse.Namespace], None]

_ABOUT = """Make lists of videos from official annotation files, and splits from lists.

A list has `path label` lines; each command writes lists, class lists and splits.json, which records
how they were made. The same arguments give the same files. See docs/data.md.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the arguments of ``tools/data/make_splits.py``."""
    parser = argparse.ArgumentParser(
        description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    def command(
        name: str, run: Action, text: str, labels: str | None = None, required: bool = True
    ) -> Callable[..., object]:
        """Add a subcommand whose class list is ``labels`` unless given; return its adder."""
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        add_debug(made, argparse.SUPPRESS)
        add = made.add_argument
        add('--out', type=Path, required=name != 'published', help='folder to write to')
        add(
            '--labels',
            default=labels,
            required=required and labels is None,
            help=f'class list: a file, or the name of a shipped one (default: {labels})',
        )
        return add

    add = command('kinetics', kinetics, 'Kinetics-400/600 from train.csv, ...', 'kinetics400')
    add('csv', nargs='+', help='official CSV files')
    add(
        '--layout',
        choices=('split', 'class'),
        default='split',
        help='where videos lie: train/ID.mp4 (split, default) or train/CLASS/ID.mp4 (class)',
    )
    for name, folder in (('ucf101', 'ucfTrainTestlist'), ('hmdb51', 'testTrainMulti_7030_splits')):
        add = command(name, three_splits, f'the three official splits from {folder}', name)
        add('annotations', type=Path, help=f'the folder {folder}')
        add('--flat', action='store_true', help='videos without class folders')
    add = command('ssv2', ssv2, 'Something-Something v2 from its two JSON files', 'ssv2')
    add('train', help='something-something-v2-train.json')
    add('val', help='something-something-v2-validation.json')
    text = 'video-level labels from ActivityNet JSON'
    add = command('activitynet', activitynet, text, required=False)
    add('json', help='activity_net.v1-3.min.json')

    add = command('few-shot', few_shot_lists, 'K videos per class; fewer are a subset of more')
    add('--train', required=True, help='training list')
    add('--shots', type=int, nargs='+', default=[2, 4, 8, 16])
    add('--seeds', type=int, nargs='+', default=[1])
    add('--allow-fewer', action='store_true', help='classes may have fewer videos')
    text = 'halve the classes: base (more frequent in training) and novel'
    add = command('base-novel', base_novel, text)
    add('--train', required=True, help='training list')
    add('--test', required=True, help='test list')
    add('--shots', type=int, default=16)
    add('--seeds', type=int, nargs='+', default=[1, 2, 3])
    add('--allow-fewer', action='store_true', help='classes may have fewer videos')
    text = 'test lists of some classes: a random half, or of those not seen'
    add = command('zero-shot', zero_shot, text)
    add('--test', required=True, help='test list')
    add('--seen', help='class list trained on; its classes are left out')
    add('--classes', type=int, help='classes per split (default: half, or all new)')
    add('--seeds', type=int, nargs='+', default=[1, 2, 3])
    text = "check ViFi-CLIP's lists, or write them for your folders"
    add = command('published', published, text, required=False)
    add('root', type=Path, help='the folder with datasets_splits/ and labels/')
    add('--names', nargs='+', help='only these lists, e.g. base2novel/hmdb/base_val')
    add('--videos', type=Path, help='find the videos below this folder by name; needs --out')
    return parser


def _save(
    out: Path,
    lists: Mapping[str, Sequence[Video]],
    labels: Mapping[str, Sequence[str]],
    how: Mapping[str, object],
    sources: Iterable[str | Path] = (),
) -> None:
    for line in save(out, lists, labels, how, sources):
        print(line)


def kinetics(args: argparse.Namespace) -> None:
    labels = read_labels(args.labels)
    lists = {Path(path).stem: read_kinetics(path, labels, args.layout) for path in args.csv}
    _save(args.out, lists, {}, {'command': 'kinetics', 'layout': args.layout}, args.csv)


def three_splits(args: argparse.Namespace) -> None:
    read = {'ucf101': read_ucf101, 'hmdb51': read_hmdb51}[args.command]
    labels = read_labels(args.labels)
    lists = {}
    for split in (1, 2, 3):
        for part, videos in read(args.annotations, labels, split).items():
            if args.flat:
                videos = [Video(Path(video.path).name, video.label) for video in videos]
            lists[f'{part}{split}'] = videos
    _save(args.out, lists, {}, {'command': args.command, 'flat': args.flat}, [args.annotations])


def ssv2(args: argparse.Namespace) -> None:
    labels = read_labels(args.labels)
    lists = {'train': read_ssv2(args.train, labels), 'val': read_ssv2(args.val, labels)}
    _save(args.out, lists, {}, {'command': 'ssv2'}, [args.train, args.val])


def activitynet(args: argparse.Namespace) -> None:
    names = None if args.labels is None else read_labels(args.labels)
    lists, names, mixed = read_activitynet(args.json, names)
    print(f'{mixed} videos have segments of several classes: the longest in total counts')
    _save(args.out, lists, {'labels': names}, {'command': 'activitynet'}, [args.json])


def few_shot_lists(args: argparse.Namespace) -> None:
    names = read_labels(args.labels)
    videos = read_annotations(args.train, names)
    lists = {
        f'train_{shots}shot_seed{seed}': few_shot(videos, shots, seed, args.allow_fewer, names)
        for shots in args.shots
        for seed in args.seeds
    }
    _save(args.out, lists, {}, {'command': 'few-shot'}, [args.train])


def base_novel(args: argparse.Namespace) -> None:
    names = read_labels(args.labels)
    train, test = (read_annotations(path, names) for path in (args.train, args.test))
    base, novel = base_and_novel(train, len(names))
    lists = {
        f'base_train_{args.shots}shot_seed{seed}': few_shot(
            restrict(train, base), args.shots, seed, args.allow_fewer, [names[i] for i in base]
        )
        for seed in args.seeds
    }
    lists['base_test'], lists['novel_test'] = restrict(test, base), restrict(test, novel)
    labels = {
        'base_labels': [names[index] for index in base],
        'novel_labels': [names[index] for index in novel],
    }
    _save(args.out, lists, labels, {'command': 'base-novel'}, [args.train, args.test])


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
    _save(args.out, lists, labels, how, [args.test])


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
                _save(args.out, {file: found}, {f'{file}_labels': names}, how)
    print(f'{total} videos in all')
    if absent:
        problems.append(f'{absent} videos were not found; the lists lack them')
    if problems:
        raise AnnotationError('\n'.join(problems))


main = make_main(build_parser, lambda args: args.run(args))
