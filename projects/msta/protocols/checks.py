"""What must hold before anything long begins: files, classes and videos as defined. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..datasets.lists.annotations import Video, read_annotations
from ..datasets.lists.splits import class_counts, unseen_classes
from ..descriptions import DescriptionError, read_descriptions
from ..training.start import check_weights
from .definitions import CLASS_COUNTS, ProtocolError
from .manifest import class_names
from .plan import Plan, Run

if TYPE_CHECKING:
    from mmengine.config import Config

_HOW = {
    'shapes': 'tools/data/make_shapes.py writes the data',
    'other': 'tools/data/make_splits.py writes lists, tools/gen_descriptions.py descriptions',
}


def check_plan(plan: Plan) -> list[str]:
    """Check lists, class lists, descriptions and weights of every run.

    Returns:
        warnings: what is unusual but may be meant.

    Raises:
        ProtocolError: with every problem at once.
    """
    problems: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for run in plan.runs:
        try:
            found, unusual = _check_run(plan, run)
        except (ValueError, OSError) as error:
            found, unusual = [str(error)], []
        problems.update(dict.fromkeys(found))
        warnings.update(dict.fromkeys(unusual))
    if problems:
        hint = _HOW.get(plan.request.dataset, _HOW['other'])
        raise ProtocolError(
            f'{plan.request.protocol} on {plan.request.dataset} cannot start:\n  '
            + '\n  '.join(problems)
            + f'\n({hint}; see docs/protocols.md)'
        )
    return list(warnings)


def _check_run(plan: Plan, run: Run) -> tuple[list[str], list[str]]:
    problems: list[str] = []
    warnings: list[str] = []
    trained, names = _read(run.config, run.config.train_dataloader, problems)
    tested = {e.part: _read(e.config, e.config.test_dataloader, problems) for e in run.tests}
    try:
        check_weights(run.config)
    except FileNotFoundError as error:
        problems.append(str(error))
    wrong, unusual = _check_descriptions(run.config, names)
    problems += wrong
    warnings += unusual
    if problems:
        return problems, warnings
    warnings += _check_shots(run, trained)
    train_list = run.config.train_dataloader.dataset.ann_file
    train_folder = _prefix(run.config.train_dataloader)
    for evaluation in run.tests:
        loader = evaluation.config.test_dataloader
        both = {v.path for v in trained} & {v.path for v in tested[evaluation.part][0]}
        if both and _prefix(loader) == train_folder:
            problems.append(
                f'{len(both)} videos are both in {train_list} and in {loader.dataset.ann_file}, '
                f'e.g. {min(both)}: the result would be of videos trained on'
            )
    problems += _check_classes(plan, names, {part: names for part, (_, names) in tested.items()})
    return problems, warnings


def _prefix(loader: Any) -> str | None:
    return (loader.dataset.get('data_prefix') or {}).get('video')


def _read(cfg: Config, loader: Any, problems: list[str]) -> tuple[list[Video], list[str]]:
    """Videos and class names of a loader; what is wrong with them goes to ``problems``."""
    videos: list[Video] = []
    names: list[str] = []
    try:
        names = class_names(cfg)
        videos = read_annotations(loader.dataset.ann_file, names)
    except (ValueError, OSError) as error:
        problems.append(str(error))
    return videos, names


def _check_descriptions(cfg: Config, names: list[str]) -> tuple[list[str], list[str]]:
    """Problems and warnings: the sentences of every class, and N of each kind."""
    source = cfg.model.get('descriptions')
    if source is None or not names:
        return [], []
    if not cfg.model.cls_head.get('alpha', 1.0):
        return [], [f'descriptions {source} are not used: the consistency loss is off (alpha=0)']
    try:
        read = read_descriptions(source, names)
    except DescriptionError as error:
        return [str(error)], []
    wanted = cfg.model.get('num_descriptions')
    held = min(len(read.spatial[0]), len(read.temporal[0]))
    if wanted is None or held == wanted:
        return [], []
    facts = f'{source} has {held} descriptions of a kind per class, num_descriptions is {wanted}'
    if held < wanted:
        remedy = 'have more written (tools/gen_descriptions.py)'
        return [f'{facts}: {remedy}, or set model.num_descriptions={held}'], []
    return [], [f'{facts}: the first {wanted} are used']


def _check_shots(run: Run, trained: list[Video]) -> list[str]:
    if run.cell.shots is None:
        return []
    counts = class_counts(trained)
    wrong = {label: n for label, n in counts.items() if n != run.cell.shots}
    if not wrong:
        return []
    label, count = min(wrong.items())
    return [
        f'{run.config.train_dataloader.dataset.ann_file}: {len(wrong)} classes do not have '
        f'{run.cell.shots} videos (class {label} has {count})'
    ]


def _check_classes(plan: Plan, trained: list[str], tested: dict[str, list[str]]) -> list[str]:
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
