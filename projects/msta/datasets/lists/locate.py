"""Find the videos of a list in a folder that is laid out otherwise. No torch."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .annotations import Video, is_video
from .sources import normalise


def locate(
    videos: Sequence[Video], labels: Sequence[str], root: str | Path
) -> tuple[list[Video], list[Video]]:
    """Match the videos of a list to files by name, wherever below `root` they lie.

    Lists of one data set differ in their folders (``a.avi`` here, ``brush_hair/a.avi`` there) and
    sometimes in the suffix. Of several files with one name, the one in the folder of the video's
    class is taken.

    Returns:
        the videos found, with paths relative to `root`, and those without a file, or with several
        that cannot be told apart.
    """
    root = Path(root)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for parent, _, names in os.walk(root, followlinks=True):
        for name in names:
            path = Path(parent, name)
            if is_video(name):
                by_stem[path.stem].append(path.relative_to(root))
    found: list[Video] = []
    missing: list[Video] = []
    for video in videos:
        file = _choose(video, labels[video.label], by_stem[Path(video.path).stem])
        if file is None:
            missing.append(video)
        else:
            found.append(Video(file.as_posix(), video.label))
    return found, missing


def _choose(video: Video, label: str, candidates: Sequence[Path]) -> Path | None:
    exact = [path for path in candidates if path.as_posix() == video.path]
    suffix = [path for path in candidates if path.name == Path(video.path).name]
    of_class = [path for path in candidates if normalise(path.parent.name) == normalise(label)]
    for choice in (exact, [p for p in suffix if p in of_class], suffix, of_class, candidates):
        if len(choice) == 1:
            return choice[0]
    return None
