"""What must hold before anything long begins: files, classes and videos as defined. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..datasets.lists.annotations import Video, read_annotations
from ..datasets.lists.splits import class_counts, unseen_classes
from ..descriptions import read_descriptions
from ..training.start import check_weights
from .definitions import CLASS_COUNTS, ProtocolError
from .manifest import class_names
from .plan import Plan, Run

if TYPE_CHECKING:
    from mmengine.config import Config
_HOW = 'tools/data/make_splits.py writes lists, tools/gen_descriptions.py descriptions'


def check_plan(plan: Plan) -> list[str]:
    """Check lists, class lists, descriptions and weights of every run.

    Returns:
        warnings: what is unusual but may be meant.

    Raises:
        ProtocolError: with every problem at once.
    """
    found = _Findings()
    for run in plan.runs:
        with found.problems_of():
            _check_run(plan, run, found)
    if found.problems:
        shapes = plan.request.dataset == 'shapes'
        hint = 'tools/data/make_shapes.py writes the data' if shapes else _HOW
        raise ProtocolError(
            f'{plan.request.protocol} on {plan.request.dataset} cannot start:\n  '
            + '\n  '.join(dict.fromkeys(found.problems))
            + f'\n({hint}; see docs/protocols.md)'
        )
    return list(dict.fromkeys(found.warnings))


class _Findings:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []

    @contextmanager
    def problems_of(self) -> Iterator[None]:
        """Note an error as a problem, and go on to the next check."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.problems.append(str(error))


def _check_run(plan: Plan, run: Run, found: _Findings) -> None:
    before = len(found.problems)
    trained, names = _read(run.config, run.config.train_dataloader, found)
    tested = {e.part: _read(e.config, e.config.test_dataloader, found) for e in run.tests}
    with found.problems_of():
        check_weights(run.config)
    if names:
        with found.problems_of():
            _check_descriptions(run.config, names, found)
    if len(found.problems) > before:
        return
    train_list = run.config.train_dataloader.dataset.ann_file
    shots = run.cell.shots
    wrong = {label: n for label, n in class_counts(trained).items() if n != shots}
    if shots and wrong:
        label, count = min(wrong.items())
        found.warnings.append(
            f'{train_list}: {len(wrong)} classes do not have {shots} videos (class {label} has '
            f'{count})'
        )
    for evaluation in run.tests:
        loader = evaluation.config.test_dataloader
        both = {v.path for v in trained} & {v.path for v in tested[evaluation.part][0]}
        if both and _prefix(loader) == _prefix(run.config.train_dataloader):
            found.problems.append(
                f'{len(both)} videos are both in {train_list} and in {loader.dataset.ann_file}, '
                f'e.g. {min(both)}: the result would be of videos trained on'
            )
    classes = {part: names for part, (_, names) in tested.items()}
    found.problems += _class_problems(plan, names, classes)


def _prefix(loader: Any) -> str | None:
    return (loader.dataset.get('data_prefix') or {}).get('video')


def _read(cfg: Config, loader: Any, found: _Findings) -> tuple[list[Video], list[str]]:
    """Videos and class names of a loader, as far as they can be read."""
    videos: list[Video] = []
    names: list[str] = []
    with found.problems_of():
        names = class_names(cfg)
        videos = read_annotations(loader.dataset.ann_file, names)
    return videos, names


def _check_descriptions(cfg: Config, names: list[str], found: _Findings) -> None:
    source, wanted = cfg.model.get('descriptions'), cfg.model.get('num_descriptions')
    if source is None:
        return
    if not cfg.model.cls_head.get('alpha', 1.0):
        off = 'the consistency loss is off (alpha=0)'
        found.warnings.append(f'descriptions {source} are not used: {off}')
        return
    read = read_descriptions(source, names)
    held = min(len(read.spatial[0]), len(read.temporal[0]))
    facts = f'{source} has {held} descriptions of a kind per class, num_descriptions is {wanted}'
    if wanted is not None and held < wanted:
        raise ProtocolError(
            f'{facts}: have more written (tools/gen_descriptions.py), or set '
            f'model.num_descriptions={held}'
        )
    if wanted is not None and held > wanted:
        found.warnings.append(f'{facts}: the first {wanted} are used')


def _class_problems(plan: Plan, trained: list[str], tested: dict[str, list[str]]) -> list[str]:
    protocol, dataset = plan.request.protocol, plan.request.dataset
    problems = []
    if {'base', 'novel'} <= tested.keys():
        shared = set(tested['base']) & set(tested['novel'])
        if shared:
            problems.append(f'{len(shared)} classes are base and novel, e.g. {min(shared)!r}')
        if tested['base'] != trained:
            problems.append('the base classes that are tested are not those that are trained on')
        counts = (len(tested['base']), len(tested['novel']))
        expected = CLASS_COUNTS.get(dataset)
        if expected and counts != expected and plan.request.config is None:
            problems.append(f'{counts} base and novel classes, {dataset} has {expected}')
    if protocol == 'zero_shot' and dataset in ('kinetics600', 'shapes'):
        for part, names in tested.items():
            known = len(names) - len(unseen_classes(names, trained))
            if known:
                problems.append(f'{part}: {known} of its {len(names)} classes are trained on')
    return problems
