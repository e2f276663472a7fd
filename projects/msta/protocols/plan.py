"""A request made concrete: resolved configs, folders and checked lists of every run. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.config import find_config, merge_options
from .definitions import DEFAULT_SEEDS, Cell, Lists, ProtocolError, cells
from .manifest import digest_of, views
from .recipes import Recipe, find_recipes

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass(frozen=True)
class Request:
    """What a user asks for; None where the protocol's own choice holds.

    ``title`` stands before the names of runs in messages, and has no part in what is run.
    """

    protocol: str
    dataset: str
    work_dir: Path
    model: str = 'viclip-b16'
    config: Path | None = None
    test_config: Path | None = None
    seeds: tuple[int, ...] = ()
    shots: tuple[int, ...] = ()
    published_lists: bool = False
    data: Path | None = None
    videos: Path | None = None
    labels: str | None = None
    descriptions: tuple[str, ...] = ()
    select: str = 'last'
    processes: int = 1
    amp: bool = False
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    title: str = ''


@dataclass(frozen=True)
class Evaluation:
    """One test of one model, and the file its result goes to."""

    part: str
    config: Config
    result: Path


@dataclass(frozen=True)
class Run:
    """One training and its tests; ``frozen`` are the same tests without the trained part."""

    cell: Cell
    folder: Path
    config: Config
    tests: tuple[Evaluation, ...]
    frozen: tuple[Evaluation, ...]
    name: str
    recipe: Recipe

    @property
    def last_checkpoint(self) -> Path:
        return self.folder / f'epoch_{self.config.train_cfg.max_epochs}.pth'


@dataclass(frozen=True)
class Plan:
    """Everything to do for one report."""

    request: Request
    runs: tuple[Run, ...]
    report_dir: Path
    views: str


def make_plan(request: Request, wanted: Sequence[Cell] | None = None) -> Plan:
    """Resolve configs and folders of all runs, writing nothing.

    ``wanted`` are the cells to run, by default all of the protocol.
    """
    if wanted is None:
        seeds = request.seeds or DEFAULT_SEEDS.get(request.protocol, (1,))
        wanted = cells(
            request.protocol, request.dataset, seeds, request.shots, request.published_lists
        )
    runs = tuple(_make_run(request, cell) for cell in wanted)
    name = request.config.stem if request.config else request.model
    marks = [f'{request.protocol}-{request.dataset}', name, *_marks(request)]
    if request.protocol == 'base2novel' and request.shots not in ((), (16,)):
        marks.append(f'{request.shots[0]}shot')
    return Plan(
        request,
        runs,
        request.work_dir / '-'.join(dict.fromkeys(marks)),
        views(runs[0].tests[0].config),
    )


def _marks(request: Request) -> list[str]:
    """What tells runs of one config apart."""
    options = {**request.cfg_options, **({'amp': True} if request.amp else {})}
    if request.descriptions:
        options['descriptions'] = list(request.descriptions)
    return [
        *(['vificlip'] if request.published_lists else []),
        *(['best'] if request.select == 'best' else []),
        *([digest_of(options)[:6]] if options else []),
    ]


def _make_run(request: Request, cell: Cell) -> Run:
    train, test = _recipes(request, cell)
    folder = request.work_dir / 'runs' / '-'.join([train.name, *_marks(request)]) / cell.name
    config = _train_config(request, cell, train)
    separate = test != train
    tests, frozen = [], []
    for part, lists in cell.tests.items():
        base = _with_options(request, test) if separate else deepcopy(config)
        name = f'{request.dataset}_{part.replace(" ", "_")}'
        trained = _test_config(request, base, lists)
        result = folder / 'tests' / f'{name}.json'
        tests.append(Evaluation(part, trained, result))
        bare = deepcopy(trained)
        bare.model.backbone.adapter = None
        key = digest_of([bare.model, bare.test_dataloader.dataset, lists.labels])
        result = request.work_dir / 'runs' / 'frozen' / f'{name}-{key[:8]}.json'
        frozen.append(Evaluation(part, bare, result))
    name = f'{request.title} {cell.name}'.strip()
    return Run(cell, folder, config, tuple(tests), tuple(frozen), name, train)


def _recipes(request: Request, cell: Cell) -> tuple[Recipe, Recipe]:
    """What to train and what to test with: shipped, or the user's own configs."""
    if request.config is None:
        train, test = find_recipes(request.protocol, request.dataset, request.model, cell.shots)
    else:
        train = test = _own(request.config)
        if request.protocol == 'zero_shot' and request.dataset != 'shapes':
            test = find_recipes('zero_shot', request.dataset, request.model)[1]
    return train, _own(request.test_config) if request.test_config else test


def _own(config: Path) -> Recipe:
    path = find_config(config).resolve()
    return Recipe(path.stem, path)


def _with_options(request: Request, recipe: Recipe) -> Config:
    """A config with those of the user's options that it has a place for."""
    cfg = recipe.read()
    training = [name for name in ('train_dataloader', 'val_dataloader') if cfg.get(name) is None]
    if cfg.get('optim_wrapper') is None:
        training += ['optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr']
    options = request.cfg_options.items()
    merge_options(cfg, {k: v for k, v in options if k.split('.')[0] not in training})
    return cfg


def _train_config(request: Request, cell: Cell, recipe: Recipe) -> Config:
    cfg = _with_options(request, recipe)
    if cfg.get('train_dataloader') is None:
        raise ProtocolError(f'{recipe.file} is a config to test with; name one to train with')
    # Zero-shot from Kinetics-400 trains on what its config names; the folders given are the test's.
    own = request.protocol != 'zero_shot' or request.dataset == 'shapes'
    given = request if own else replace(request, data=None, videos=None, labels=None)
    _use_lists(given, cfg, cfg.train_dataloader, cell.train)
    if request.descriptions:
        one = len(request.descriptions) == 1
        cfg.model.descriptions = request.descriptions[0] if one else list(request.descriptions)
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=cell.seed)
    _share_batch(request, cfg, recipe.file)
    if request.select == 'last':
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.default_hooks.checkpoint.save_best = None
    else:
        _validate_every_epoch(request, cfg, cell, own)
    return cfg


def _validate_every_epoch(request: Request, cfg: Config, cell: Cell, own: bool) -> None:
    """Let training keep the best epoch on the test videos of the classes it is trained on."""
    if own:
        same = [lists for lists in cell.tests.values() if lists.labels == cell.train.labels]
        if not same:
            raise ProtocolError(
                f'--select best: {request.protocol} on {request.dataset} tests no classes that it '
                'trains on, so there is nothing to select by; use --select last'
            )
        _use_lists(request, cfg, cfg.val_dataloader, same[0])
    cfg.train_cfg.val_begin = cfg.train_cfg.val_interval = 1
    cfg.default_hooks.checkpoint.update(interval=1, save_best='auto')
    cfg.val_evaluator = dict(type='MSTAMetric')


def _share_batch(request: Request, cfg: Config, path: Path) -> None:
    """Keep the batch over all processes, whatever their number, unless the user sets another."""
    total = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    if 'train_dataloader.batch_size' in request.cfg_options or not total:
        return
    if total % request.processes:
        raise ProtocolError(
            f'--gpus {request.processes}: the batch of {total} videos that {path.name} is for '
            'cannot be shared equally; use a divisor, or set train_dataloader.batch_size'
        )
    cfg.train_dataloader.batch_size = total // request.processes


def _test_config(request: Request, cfg: Config, lists: Lists) -> Config:
    """Only what testing needs, on one list and within its classes."""
    for name in ('train_dataloader', 'val_dataloader', 'val_evaluator', 'train_cfg', 'val_cfg'):
        cfg[name] = None
    cfg.optim_wrapper = cfg.param_scheduler = cfg.auto_scale_lr = None
    cfg.model.descriptions = None
    _use_lists(request, cfg, cfg.test_dataloader, lists)
    evaluators = cfg.get('test_evaluator') or []
    evaluators = list(evaluators) if isinstance(evaluators, Sequence) else [evaluators]
    others = [e for e in evaluators if e['type'] not in ('AccMetric', 'MSTAMetric')]
    cfg.test_evaluator = [*others, dict(type='MSTAMetric')]
    return cfg


def _use_lists(request: Request, cfg: Config, loader: Any, lists: Lists) -> None:
    """Point a loader at a list, and the model at its classes."""
    dataset = loader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    before = Path(normpath(Path(dataset.ann_file).parent))
    folder = request.data or before
    _move_descriptions(cfg, before, folder)
    dataset.ann_file = str(folder / lists.videos)
    if request.videos is not None:
        dataset.data_prefix = dict(video=str(request.videos))
    elif request.data is not None and dataset.get('data_prefix', {}).get('video'):
        below = Path(normpath(dataset.data_prefix.video)).name == 'videos'
        dataset.data_prefix = dict(video=str(folder / 'videos' if below else folder))
    labels = labels_of(request, lists, folder)
    if labels is not None:
        cfg.model.labels = labels


def labels_of(request: Request, lists: Lists, folder: Path) -> str | None:
    """Return the class list of a list of videos; None: the config's.

    A protocol that halves or draws classes names a file, which the halves come with. Elsewhere
    it is what the user names, then the ``labels.txt`` of a data folder that the user names, and
    only then the shipped one of the data set.
    """
    if lists.labels is not None and lists.labels.endswith('.txt'):
        return str(folder / lists.labels)
    if request.labels is not None:
        return request.labels
    if request.data is not None and (folder / 'labels.txt').is_file():
        return str(folder / 'labels.txt')
    return lists.labels


def _move_descriptions(cfg: Config, before: Path, folder: Path) -> None:
    """Descriptions beside the lists are looked for beside them in another folder too."""
    source = cfg.model.get('descriptions')
    if isinstance(source, str) and Path(normpath(source)).parent == before:
        cfg.model.descriptions = str(folder / Path(source).name)
