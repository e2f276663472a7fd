"""Every video of a collection, read once: what is usable, what is not and why. No torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..datasets.lists.annotations import unlistable
from ..datasets.lists.probe import probe_videos
from .collect import Clip, Collection
from .state import AdaptError


def check_videos(
    collection: Collection, workers: int, journal: Path, say: Callable[[str], None]
) -> tuple[list[Clip], list[tuple[str, str]], dict[str, str]]:
    """Read a few frames of every video; what was read before an interruption is not read again.

    Returns:
        the readable clips; (path, why not) of the others; path -> hashes of its frames.

    Raises:
        AdaptError: fewer than two classes have a readable video.
    """
    paths = [clip.path for clip in collection.clips]
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
    return good, [*bad.items()], {p.path: p.hashes for p in probes if not p.reason}
