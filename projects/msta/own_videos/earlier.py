"""What an earlier adaptation leaves to the next: classes, clips, split and adapters."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..datasets.lists.annotations import AnnotationError
from ..labels import read_labels
from .collect import SEVERAL, Clip, Collection
from .windows import WINDOWS_FILE

SPLIT_FILE = 'split.json'


def join_earlier(before: Path, new: Collection) -> Collection:
    """Put the clips and classes of an earlier folder before the new ones.

    Clips keep their side of the split; classes keep their order, new ones follow. A class of both
    gets more clips. Paths become relative to the folder that both collections have in common.

    Raises:
        AnnotationError: ``before`` was not written by an adaptation, or its videos are gone.
    """
    split = before / SPLIT_FILE
    if not split.is_file() or not (before / 'adapters.pth').is_file():
        raise AnnotationError(
            f'{before}: not a folder that tools/adapt.py has finished ({SPLIT_FILE} and '
            'adapters.pth are expected in it)'
        )
    known = json.loads(split.read_text(encoding='utf-8'))
    old_names = read_labels(before / 'labels.txt')
    several = any(len(entry['labels']) > 1 for entry in known.values())
    if several != new.multi_label:
        raise AnnotationError(
            f'{before}: its videos have {"several labels" if several else "one label"} each, the '
            f'new ones {"several" if new.multi_label else "one"}: give the new ones as a CSV with '
            f'the column {SEVERAL if several else "label"}, or adapt to all anew, without --start'
        )
    names = [*old_names, *(name for name in new.names if name not in set(old_names))]
    index = {name: position for position, name in enumerate(names)}
    gone = [path for path in known if not Path(path).exists()]
    if gone:
        raise AnnotationError(
            f'{before}: {len(gone)} of its {len(known)} videos are gone, such as {gone[0]}: put '
            'them back, or adapt again without --start'
        )
    root = Path(os.path.commonpath([new.root, *(Path(path).parent for path in known)]))
    clips = [
        Clip(
            Path(path).relative_to(root).as_posix(),
            tuple(entry['labels']),
            entry['group'],
            entry['side'],
        )
        for path, entry in known.items()
    ]
    seen = set(known)
    if (before / WINDOWS_FILE).is_file():  # long videos, which its clips were cut from
        seen |= set(json.loads((before / WINDOWS_FILE).read_text(encoding='utf-8')))
    for clip in new.clips:
        whole = new.root / clip.path
        if str(whole) in seen:
            continue
        path = whole.relative_to(root).as_posix()
        labels = tuple(sorted(index[new.names[k]] for k in clip.labels))
        # A clip that is a group of its own carries its path.
        group = f'file:{path}' if clip.group == f'file:{clip.path}' else clip.group
        clips.append(replace(clip, path=path, labels=labels, group=group))
    return Collection(root, names, clips, new.remarks, several)


def new_classes(before: Path | None, names: Sequence[str]) -> frozenset[int]:
    """Indices of the classes that the earlier folder did not have."""
    if before is None:
        return frozenset()
    old = set(read_labels(before / 'labels.txt'))
    return frozenset(k for k, name in enumerate(names) if name not in old)
