"""Every video of a collection, read once: what is usable, what is not and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..datasets.lists.annotations import unlistable
from ..datasets.lists.probe import probe_videos
from .collect import Clip, Collection
from .state import AdaptError
from .windows import cut_long_videos


def check_videos(
    collection: Collection,
    workers: int,
    folder: Path,
    say: Callable[[str], None],
    window_sec: float,
) -> tuple[list[Clip], list[tuple[str, str]], dict[str, str]]:
    """Read every video and cut long ones; what was read before an interruption is not read again.

    Args:
        collection: what there is.
        workers: processes that decode.
        folder: where to keep what was found, and windows.
        say: called with what is left out or cut.
        window_sec: see :func:`.windows.cut_long_videos`.

    Returns:
        the readable clips; (path, why not) of the others; path -> hashes of its frames.

    Raises:
        AdaptError: fewer than two classes have a readable video.
    """
    paths = [clip.path for clip in collection.clips]
    journal = folder / 'checked.jsonl'
    bad = {path: f'{why}; rename it' for path in paths if (why := unlistable(path))}
    listable = [path for path in paths if path not in bad]
    probes = probe_videos(collection.root, listable, workers=workers, journal=journal)
    bad |= {probe.path: probe.detail for probe in probes if probe.reason}
    for path, why in bad.items():
        say(f'left out: {path!a}: {why}' if unlistable(path) else f'left out: {path}: {why}')
    good = [clip for clip in collection.clips if clip.path not in bad]
    readable = {label for clip in good for label in clip.labels}
    if len(readable) < 2:
        some = '; '.join(f'{path}: {why}' for path, why in [*bad.items()][:3])
        raise AdaptError(
            f'{len(bad)} of {len(paths)} videos cannot be read, and the others are of '
            f'{len(readable)} class(es), of which two are needed: {some}'
        )
    seconds = {probe.path: probe.seconds for probe in probes}
    clips = cut_long_videos(good, collection.root, seconds, window_sec, folder, say)
    windows = [clip.path for clip in clips if clip.path not in seconds]
    if windows:
        probes += probe_videos(collection.root, windows, workers=workers, journal=journal)
    found = {probe.path: probe.hashes for probe in probes}
    return clips, [*bad.items()], {clip.path: found[clip.path] for clip in clips}
