"""The main job on the Shapes world, end to end: render, train, test, compare, draw."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook

from ..datasets.shapes.folder import Recipe, make_shapes
from ..engine.wrapped import unwrap
from ..evaluation.measures import harmonic_mean
from ..files import write_json
from ..labels import read_labels
from ..paths import CONFIGS, ROOT
from ..training.launch import import_parts, make_test_config, make_train_config
from ..training.runners import running

CONFIG = CONFIGS / 'msta_tiny_shapes.py'
HALVES = ('base', 'novel')


@dataclass
class Curve:
    """What training logged, an entry a step: epochs passed, losses, accuracy within the batch."""

    epoch: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


@dataclass
class Scores:
    """Accuracy in percent on one half of the classes: of each class, and over all videos."""

    labels: list[str]
    per_class: list[float]
    top1: float


@dataclass
class DemoResult:
    """What the demo found.

    Attributes:
        frozen: Scores of the frozen model, by half.
        trained: Scores of each seed, by half.
        curves: Training curve of each seed.
        trainable: Parameters trained, and all of the model's.
        checkpoints: What training wrote, by seed.
    """

    frozen: dict[str, Scores]
    trained: dict[int, dict[str, Scores]] = field(default_factory=dict)
    curves: dict[int, Curve] = field(default_factory=dict)
    trainable: tuple[int, int] = (0, 0)
    checkpoints: dict[int, str] = field(default_factory=dict)

    @property
    def gains(self) -> list[float]:
        """Harmonic mean of each seed over the frozen model's."""
        frozen = both_halves(self.frozen)
        return [both_halves(scores) - frozen for scores in self.trained.values()]


def both_halves(scores: dict[str, Scores]) -> float:
    """Harmonic mean of top-1 on base and novel classes, in percent."""
    return harmonic_mean(*(scores[half].top1 for half in HALVES))


class _Watch(Hook):
    """Collects what training logs and what testing predicts."""

    priority = 'VERY_LOW'

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.curve = Curve()
        self.truth: list[int] = []
        self.predicted: list[int] = []

    def before_train(self, runner: Any) -> None:
        self.bar.reset(runner.max_iters)

    def before_test(self, runner: Any) -> None:
        self.bar.reset(len(runner.test_dataloader.dataset))

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.curve.epoch.append((runner.iter + 1) / len(runner.train_dataloader))
        self.curve.loss.append(outputs['loss'].item())
        self.curve.accuracy.append(100 * outputs['top1_acc'].item())
        self.bar.update(1)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        for sample in outputs:
            self.truth.append(int(sample.gt_label))
            self.predicted.append(int(sample.pred_score.argmax()))
        self.bar.update(len(outputs))


def _tqdm_bar(title: str) -> Any:
    from tqdm import tqdm

    # Without a terminal a line every half minute keeps logs readable.
    often = 0.5 if sys.stderr.isatty() else 30
    return tqdm(desc=f'{title:>16}', leave=True, dynamic_ncols=True, mininterval=often)


@dataclass
class Demo:
    """One run of the demo.

    Attributes:
        config: A base-to-novel config on the Shapes world.
        data: Folder of the Shapes world; made if absent, completed if not whole.
        out: Folder for checkpoints, ``result.json`` and ``demo_shapes.png``.
        options: Settings that replace the config's, as ``--cfg-options`` gives them.
        recipe: Of the Shapes world, the default one if None.
        say: Prints a line.
        bar: Makes a progress bar with tqdm's methods from a title.
    """

    config: Path = CONFIG
    data: Path = ROOT / 'data' / 'shapes'
    out: Path = ROOT / 'work_dirs' / 'demo'
    options: Mapping[str, Any] | None = None
    recipe: Recipe | None = None
    say: Callable[[str], None] = print
    bar: Callable[[str], Any] = _tqdm_bar

    def __post_init__(self) -> None:
        self.data = self.data.expanduser().resolve()
        self.out = self.out.expanduser().resolve()

    def run(self, seeds: Sequence[int] = (1,)) -> DemoResult:
        """Render, test the frozen model, train and test one model per seed."""
        self.render()
        self.say('testing the frozen model')
        result = DemoResult({half: self.test(half) for half in HALVES})
        for seed in seeds:
            self.say(f'training MSTA on 16 shots a base class, seed {seed}')
            self.train(seed, result)
            checkpoint = result.checkpoints[seed]
            result.trained[seed] = {half: self.test(half, checkpoint) for half in HALVES}
        return result

    def render(self) -> None:
        """Make the Shapes world, or complete it."""
        self.say(f'Shapes world in {self.data}')
        with closing(self.bar('rendering')) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            make_shapes(self.data, self.recipe, progress=progress)

    def train(self, seed: int, result: DemoResult) -> None:
        """Train with one seed's shots; add curve, checkpoint and parameter counts to ``result``."""
        shots = self.data / f'base_train_16shot_seed{seed}.txt'
        work_dir = self.out / f'seed{seed}'
        cfg = make_train_config(
            self.config,
            work_dir=work_dir,
            validate=False,
            seed=seed,
            cfg_options={
                'train_dataloader.dataset.ann_file': str(shots),
                'train_dataloader.dataset.data_prefix.video': str(self.data),
                'model.labels': str(self.data / 'labels_base.txt'),
                'model.descriptions': str(self.data / 'descriptions_base.json'),
                **(self.options or {}),
            },
        )
        with self._running(cfg, 'training') as (runner, watch):
            runner.train()
        result.curves[seed] = watch.curve
        result.trainable = unwrap(runner.model).backbone.num_parameters()
        last = (work_dir / 'last_checkpoint').read_text(encoding='utf-8').strip()
        result.checkpoints[seed] = last

    def test(self, half: str, checkpoint: str | None = None) -> Scores:
        """Top-1 on one half's test videos within its own classes; None tests the frozen model."""
        labels = self.data / f'labels_{half}.txt'
        options = {
            'model.labels': str(labels),
            'test_dataloader.dataset.ann_file': str(self.data / f'{half}_test.txt'),
            'test_dataloader.dataset.data_prefix.video': str(self.data),
            **(self.options or {}),
        }
        cfg = make_test_config(
            self.config, checkpoint, work_dir=self.out / 'test', cfg_options=options
        )
        with self._running(cfg, f'testing {half}') as (runner, watch):
            unwrap(runner.model).init_weights()
            metrics = runner.test()
        names = read_labels(labels)
        truth, right = np.array(watch.truth), np.equal(watch.truth, watch.predicted)
        per_class = [100 * float(right[truth == i].mean()) for i in range(len(names))]
        return Scores(names, per_class, 100 * metrics['acc/top1'])

    @contextmanager
    def _running(self, cfg: Config, title: str) -> Iterator[tuple[Any, _Watch]]:
        cfg.log_level = 'WARNING'
        import_parts(cfg)
        watch = _Watch(self.bar(title))
        with closing(watch.bar), running(cfg) as runner:
            runner.register_hook(watch)
            yield runner, watch


def report(result: DemoResult) -> list[str]:
    """Return the table that compares trained and frozen model, as lines."""

    def row(name: str, scores: dict[str, Scores]) -> str:
        values = [scores[half].top1 for half in HALVES] + [both_halves(scores)]
        return f'{name:<24}' + ''.join(f'{value:>9.1f}' for value in values)

    lines = [f'{"top-1 (%)":<24}' + ''.join(f'{head:>9}' for head in (*HALVES, 'HM'))]
    lines.append(row('frozen tiny ViCLIP', result.frozen))
    lines += [row(f'MSTA, seed {seed}', scores) for seed, scores in result.trained.items()]
    gains = result.gains
    if len(gains) > 1:
        columns = [[s[half].top1 for s in result.trained.values()] for half in HALVES]
        columns.append([both_halves(scores) for scores in result.trained.values()])
        cells = [f'{statistics.mean(c):.1f}±{statistics.stdev(c):.1f}' for c in columns]
        lines.append(f'{"MSTA, mean±std":<24}' + ''.join(f'{cell:>9}' for cell in cells))
        spread = f' ± {statistics.stdev(gains):.1f} over {len(gains)} seeds'
    else:
        spread = ''
    trained, total = result.trainable
    lines.append(
        f'gain in harmonic mean: {statistics.mean(gains):+.1f} points{spread}, '
        f'training {trained:,} of {total:,} parameters ({100 * trained / total:.1f}%)'
    )
    return lines


def save_result(result: DemoResult, path: Path) -> None:
    """Write everything the demo found as JSON."""
    harmonic = {seed: both_halves(scores) for seed, scores in result.trained.items()}
    data = {
        **asdict(result),
        'harmonic_mean': {'frozen': both_halves(result.frozen), 'trained': harmonic},
        'gains': result.gains,
    }
    write_json(path, data, indent=1)
