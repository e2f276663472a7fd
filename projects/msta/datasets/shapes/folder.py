"""The Shapes world on disk: mp4 files, class lists, annotation lists and descriptions.

Below the output folder::

    labels.txt labels_base.txt labels_novel.txt        class names, one per line
    descriptions.json descriptions_base.json ...       spatial and temporal sentences
    target_train.txt target_test.txt plain_test.txt    annotation lists over all classes
    target_train_4shot_seed1.txt ...                   K shots per class, nested in K
    base_train_16shot_seed1.txt ... base_test.txt      the base half, labels 0..23
    novel_test.txt plain_base_test.txt ...             the novel half, labels 0..23 of its own
    videos/<domain>/<split>/<class>/<number>.mp4
    recipe.json                                        what all of it was made from

Paths in the lists are relative to the folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...files import replacing, write_json
from .contents import SHOTS, Clip, Recipe, ShapesError, clips_of, text_names, write_texts


def write_video(path: Path, frames: np.ndarray, fps: float = 8.0) -> None:
    """Write RGB frames (T, H, W, 3) as MPEG-4, under a temporary name first.

    Raises:
        ShapesError: If OpenCV cannot write there.
    """
    size = (frames.shape[2], frames.shape[1])
    with replacing(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*'mp4v'), fps, size)
        try:
            if not writer.isOpened():
                raise ShapesError(f'OpenCV cannot write {path}: is the folder writable?')
            for frame in frames:
                writer.write(np.ascontiguousarray(frame[..., ::-1]))
        finally:
            writer.release()


def make_shapes(
    out: str | Path,
    recipe: Recipe | Mapping[str, Any] | None = None,
    workers: int = 2,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make, complete or leave as it is the Shapes world in a folder.

    Videos already there are kept if the folder was begun with the same recipe, so an interrupted
    run continues.

    Args:
        out: The folder, created if absent.
        recipe: What to make, or the fields that differ from the default.
        workers: Processes that render.
        force: Render everything again.
        progress: Called with (videos there, videos in all).

    Returns:
        How many videos were rendered; 0 if all were there.

    Raises:
        ShapesError: For a folder that holds something else.
    """
    out = Path(out).expanduser().resolve()
    recipe = recipe if isinstance(recipe, Recipe) else Recipe(**(recipe or {}))
    stamp = out / 'recipe.json'
    same = _read_recipe(out, stamp) == asdict(recipe)
    clips = list(clips_of(recipe))
    missing = [
        clip for clip in clips if force or not same or not _is_file_with_bytes(out / clip.path)
    ]
    if not same:
        # What another recipe left must be gone before the stamp can vouch for what is there.
        shutil.rmtree(out / 'videos', ignore_errors=True)
        for name in text_names(Recipe(train_per_class=max(SHOTS))):
            (out / name).unlink(missing_ok=True)
        write_json(stamp, asdict(recipe), indent=1)
    if force or not all((out / name).is_file() for name in text_names(recipe)):
        write_texts(out, recipe)
    _render_all(out, recipe, missing, len(clips), workers, progress)
    return len(missing)


def _is_file_with_bytes(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _read_recipe(out: Path, stamp: Path) -> dict | None:
    if stamp.is_file():
        try:
            return json.loads(stamp.read_text(encoding='utf-8'))
        except (ValueError, OSError):
            return None
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ShapesError(
            f'{out} exists and was not made by this tool (it has no recipe.json); nothing was '
            'written. Name a new or empty folder'
        )
    return None


def _render_all(
    out: Path,
    recipe: Recipe,
    missing: Sequence[Clip],
    total: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    done = total - len(missing)
    report = progress or (lambda _done, _total: None)
    report(done, total)
    chunks = [missing[start : start + 32] for start in range(0, len(missing), 32)]
    jobs = ((out, recipe, chunk) for chunk in chunks)
    if workers <= 1 or len(chunks) <= 1:
        for job in jobs:
            done += _render_chunk(job)
            report(done, total)
        return
    with drawing_processes(workers) as pool:
        for count in pool.map(_render_chunk, jobs):
            done += count
            report(done, total)


@contextmanager
def drawing_processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes in which OpenCV works in one thread.

    Its threads end before the processes fork: they do not live on in a fork, and one that then
    changes their number waits for them for ever.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ProcessPoolExecutor(workers) as pool:
            yield pool
    finally:
        cv2.setNumThreads(threads)


def _render_chunk(job: tuple[Path, Recipe, Sequence[Clip]]) -> int:
    out, recipe, clips = job
    for clip in clips:
        write_video(out / clip.path, clip.frames(recipe))
    return len(clips)
