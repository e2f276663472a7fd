"""A learning rate for each method, by the same search, on videos not tested on. No torch.

Rates are a factor 3 or so apart: ..., 0.1, 0.3, 1, 3, 10, ... times where a method starts. Three
are tried around the start; while the best is the lowest or the highest tried, the next one is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets.lists.annotations import Video, read_annotations, write_annotations
from ..datasets.lists.splits import few_shot
from ..labels import read_labels
from .definitions import MOST_RATES, Cell, Lists, ProtocolError, list_to_draw_from
from .manifest import class_names, digest_of, read_json
from .methods import Entry
from .plan import Plan, Request, labels_of, make_plan
from .processes import say

_VIDEOS_A_CLASS = 16


class Validation(NamedTuple):
    """The cell that rates are chosen on: a training of the protocol, tested on other videos."""

    cell: Cell
    videos: int


def factor(step: int) -> float:
    """``step`` 0 is 1; each step up is 3 or 10/3 times more."""
    return (1, 3)[step % 2] * 10.0 ** (step // 2)


def best_step(scores: Mapping[int, float]) -> int:
    """Return the step of the highest score, the lowest of equals."""
    return max(scores, key=lambda step: (scores[step], -step))


def next_steps(scores: Mapping[int, float], most: int = MOST_RATES) -> list[int]:
    """What to try after ``scores``: nothing if the best is between others or ``most`` are."""
    if scores:
        best = best_step(scores)
        wanted = [step for step in (best - 1, best + 1) if step not in scores]
    else:
        wanted = [0, -1, 1]
    return wanted[: max(0, most - len(scores))]


def make_validation(plan: Plan, listed: Path | None = None) -> Validation:
    """Set aside videos of the trained classes that the first seed, of most shots, leaves out.

    ``listed`` is a list of such videos, in the place of the one that shots are drawn from.

    Raises:
        ProtocolError: there is no such list, or the training leaves none of its videos.
    """
    request, run = plan.request, max(plan.runs, key=lambda run: run.cell.shots or 0)
    train_list = Path(run.config.train_dataloader.dataset.ann_file)
    names = class_names(run.config)
    source, labels = listed, names
    if source is None:
        drawn = list_to_draw_from(request.dataset)
        if drawn is None or not (train_list.parent / drawn.videos).is_file():
            raise ProtocolError(
                'no videos to choose learning rates on: name a list of videos of the trained '
                'classes with --validation LIST (those that are trained on are left out), or give '
                'rates with --rates FILE'
            )
        source = train_list.parent / drawn.videos
        labels = read_labels(labels_of(request, drawn, train_list.parent) or names)
    used = {video.path for video in read_annotations(train_list, names)}
    for evaluation in run.tests:
        tested = read_annotations(evaluation.config.test_dataloader.dataset.ann_file)
        used |= {video.path for video in tested}
    index = {name: number for number, name in enumerate(names)}
    rest = [
        Video(video.path, index[labels[video.label]])
        for video in read_annotations(source, labels)
        if labels[video.label] in index and video.path not in used
    ]
    if not rest:
        raise ProtocolError(
            f'{source} has no video of the trained classes that {train_list.name} leaves to choose '
            'learning rates on; name another list with --validation, or give rates with --rates'
        )
    videos = few_shot(rest, _VIDEOS_A_CLASS, run.cell.seed, allow_fewer=True)
    key = digest_of([[video.path, video.label] for video in videos])
    path = request.work_dir / 'validation' / f'{request.dataset}-{key[:8]}.txt'
    if not path.is_file():
        write_annotations(path, videos)
    tests = {'validation': Lists(str(path), run.cell.train.labels)}
    return Validation(replace(run.cell, tests=tests), len(videos))


def search(
    entries: Sequence[Entry],
    request: Request,
    validation: Validation,
    run: Callable[[Sequence[Plan]], None],
    most: int = MOST_RATES,
) -> dict[str, dict[str, Any]]:
    """Find each method's rate out of ``most``, all methods' trainings of a round together.

    ``run`` trains and tests plans, and raises ProtocolError when some of it failed.

    Raises:
        ProtocolError: no rate of a method could be trained.
    """
    scores: dict[str, dict[int, float]] = {entry.name: {} for entry in entries}
    while wanted := [(e, s) for e in entries for s in next_steps(scores[e.name], most)]:
        plans = {
            (e.name, s): make_plan(e.request(request, e.rate(factor(s))), [validation.cell])
            for e, s in wanted
        }
        failure = None
        try:
            run(list(plans.values()))
        except ProtocolError as error:
            failure = error
        for (name, step), plan in plans.items():
            scores[name][step] = _score(plan)
        if failure is not None:
            # Some rates are too high to train with: the worst choice, not the end of the search.
            if any(max(tried.values()) < 0 for tried in scores.values()):
                raise failure
            say(f'warning: {failure}')
    outcomes = {}
    for entry in entries:
        tried = scores[entry.name]
        best = best_step(tried)
        outcomes[entry.name] = {
            'rate': entry.rate(factor(best)),
            'at_edge': best in (min(tried), max(tried)),
            'tried': [{'rate': entry.rate(factor(s)), 'top1': tried[s]} for s in sorted(tried)],
        }
    return outcomes


def _score(plan: Plan) -> float:
    """Top-1 (%) on the validation videos; -1 where the training failed."""
    run = plan.runs[0]
    finished = (read_json(run.folder / 'manifest.json') or {}).get('finished')
    result = read_json(run.tests[0].result) if finished else None
    return -1.0 if result is None else 100 * result['values']['top1']


def read_rates(path: Path, entries: Sequence[Entry]) -> dict[str, Any]:
    """What an earlier search found, from its search.json or comparison.json.

    Raises:
        ProtocolError: no such file, or it lacks a method.
    """
    content = read_json(path)
    if content is None:
        raise ProtocolError(f'--rates {path}: no search.json or comparison.json of a search')
    content = content.get('search') or content
    found = content.get('methods')
    found = found if isinstance(found, Mapping) else {}
    lacking = [entry.name for entry in entries if 'rate' not in found.get(entry.name, {})]
    if lacking:
        raise ProtocolError(
            f'--rates {path} has no rate of {", ".join(lacking)}; it has those of '
            f'{", ".join(found) or "no method"}'
        )
    return content
