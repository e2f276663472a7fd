"""Official annotation files of the public data sets -> lists of videos. No torch.

Every reader matches class names to a class list of this project, whatever their spelling (case,
underscores, CamelCase), so that indices cannot shift.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .annotations import AnnotationError, Video

_SUBSETS = {'training': 'train', 'validation': 'val', 'testing': 'test'}


class ClassIndex:
    """Class names -> indices, by their letters and digits alone.

    Args:
        labels: the class list.
        source: the file that is read, for messages.
    """

    def __init__(self, labels: Sequence[str], source: str | Path) -> None:
        self.source = source
        self._index = {normalise(name): index for index, name in enumerate(labels)}
        if len(self._index) != len(labels):
            raise AnnotationError(
                f'{source}: {len(labels)} class names, but only {len(self._index)} differ in their '
                'letters and digits'
            )

    def __getitem__(self, name: str) -> int:
        try:
            return self._index[normalise(name)]
        except KeyError:
            raise AnnotationError(
                f'{self.source}: class {name!r} is not in the list of {len(self._index)} classes; '
                'give the class list that belongs to these annotations'
            ) from None


def normalise(name: str) -> str:
    """Return the letters and digits of a name, in lower case."""
    return re.sub(r'[\W_]', '', name.lower())


def read_kinetics(path: str | Path, labels: Sequence[str], layout: str = 'split') -> list[Video]:
    """Kinetics-400/600/700 CSV: ``label,youtube_id,time_start,time_end,split``.

    Args:
        path: the official ``train.csv``, ``val.csv`` (or ``validate.csv``) or ``test.csv``.
        labels: the class list.
        layout: where the videos lie: 'split' for ``train/<id>_<start>_<end>.mp4`` (as in
            ViFi-CLIP's lists), 'class' for ``train/<class name>/<id>_<start>_<end>.mp4``.
    """
    if layout not in ('split', 'class'):
        raise ValueError(f"layout must be 'split' or 'class', got {layout!r}")
    path = _existing(path)
    index = ClassIndex(labels, path)
    videos = []
    with path.open(encoding='utf-8-sig', newline='') as file:
        reader = csv.DictReader(file)
        needed = {'label', 'youtube_id', 'time_start', 'time_end', 'split'}
        missing = needed - set(reader.fieldnames or ())
        if missing:
            raise AnnotationError(f'{path}: no column {", ".join(sorted(missing))}')
        for row in reader:
            try:
                start, end = int(float(row['time_start'])), int(float(row['time_end']))
            except (TypeError, ValueError):
                raise AnnotationError(f'{path}, line {reader.line_num}: no times') from None
            folder = {'validate': 'val', 'validation': 'val'}.get(row['split'], row['split'])
            if layout == 'class':
                folder = f'{folder}/{row["label"]}'
            name = f'{folder}/{row["youtube_id"]}_{start:06d}_{end:06d}.mp4'
            videos.append(Video(name, index[row['label']]))
    return _not_empty(videos, path)


def read_ucf101(folder: str | Path, labels: Sequence[str], split: int) -> dict[str, list[Video]]:
    """``ucfTrainTestlist``: {'train', 'test'} of official split 1, 2 or 3; paths have the class."""
    index = ClassIndex(labels, folder)
    lists = {}
    for part in ('train', 'test'):
        path = _existing(Path(folder, f'{part}list{split:02d}.txt'))
        lines = path.read_text(encoding='utf-8').splitlines()
        names = [line.split()[0] for line in lines if line.strip()]
        lists[part] = _not_empty([Video(name, index[name.split('/')[0]]) for name in names], path)
    return lists


def read_hmdb51(folder: str | Path, labels: Sequence[str], split: int) -> dict[str, list[Video]]:
    """``testTrainMulti_7030_splits``: {'train', 'test'} of official split 1, 2 or 3.

    The mark behind a name is 1 for training, 2 for testing, 0 for neither.
    """
    parts = {'1': 'train', '2': 'test'}
    files = sorted(Path(folder).glob(f'*_test_split{split}.txt'))
    if not files:
        raise AnnotationError(f'{folder}: no *_test_split{split}.txt files in it')
    index = ClassIndex(labels, folder)
    lists: dict[str, list[Video]] = {'train': [], 'test': []}
    for path in files:
        name = path.name.removesuffix(f'_test_split{split}.txt')
        label = index[name]
        for line in path.read_text(encoding='utf-8').splitlines():
            if line.strip():
                video, mark = line.rsplit(None, 1)
                if mark in parts:
                    lists[parts[mark]].append(Video(f'{name}/{video}', label))
    if len(files) != len(labels):
        raise AnnotationError(f'{folder}: files for {len(files)} classes, expected {len(labels)}')
    return lists


def read_ssv2(path: str | Path, labels: Sequence[str]) -> list[Video]:
    """Something-Something v2 JSON (train or validation): ``id`` and ``template``."""
    path = _existing(path)
    index = ClassIndex(labels, path)
    items = _json(path)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AnnotationError(f'{path}: not a list of objects')
    videos = []
    for item in items:
        if 'id' not in item or 'template' not in item:
            raise AnnotationError(
                f'{path}: an entry without id or template (the test set has no labels): {item}'
            )
        videos.append(Video(f'{item["id"]}.webm', index[item['template']]))
    return _not_empty(videos, path)


def read_activitynet(
    path: str | Path, labels: Sequence[str] | None = None
) -> tuple[dict[str, list[Video]], list[str], int]:
    """ActivityNet JSON: the class that fills most of a video is its label.

    Returns:
        {'train', 'val'}, the class names (sorted, if not given), and the number of videos with
        segments of several classes. The test set has no labels.
    """
    path = _existing(path)
    content = _json(path)
    if not isinstance(content, dict) or not isinstance(content.get('database'), dict):
        raise AnnotationError(f'{path}: no "database" in it; is this activity_net.v1-3.min.json?')
    seconds: dict[str, dict[str, float]] = {}
    for name, entry in content['database'].items():
        total: dict[str, float] = defaultdict(float)
        for annotation in entry.get('annotations', ()):
            start, end = annotation['segment']
            total[annotation['label']] += end - start
        if total:
            seconds[name] = total
    names = sorted({label for total in seconds.values() for label in total})
    names = names if labels is None else list(labels)
    index = ClassIndex(names, path)
    lists: dict[str, list[Video]] = {'train': [], 'val': []}
    for name in sorted(seconds):
        subset = _SUBSETS.get(content['database'][name]['subset'])
        if subset in lists:
            label = max(seconds[name], key=lambda key: (seconds[name][key], key))
            lists[subset].append(Video(f'v_{name}.mp4', index[label]))
    mixed = sum(len(total) > 1 for total in seconds.values())
    return {part: _not_empty(videos, path) for part, videos in lists.items()}, names, mixed


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise AnnotationError(f'{path}: no such file')
    return path


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise AnnotationError(f'{path}: not JSON ({error})') from None


def _not_empty(videos: list[Video], path: Path) -> list[Video]:
    if not videos:
        raise AnnotationError(f'{path}: no videos in it')
    return videos
