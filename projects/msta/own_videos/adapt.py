"""From a folder of videos to a recogniser; every step is skipped where its result is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.lists.copies import near_duplicates
from ..descriptions import read_descriptions
from ..files import write_text
from ..foundation import Architecture, load_foundation
from ..foundation.weights import TINY_SHAPES
from ..locks import locked
from .collect import SEVERAL, Clip, Collection, collect
from .config_file import make_config, write_config
from .earlier import join_earlier, new_classes
from .files import write_lists, write_results
from .models import Trial, best_trial, frames_of, machine, score_clips, train_adapters, try_rates
from .recipe import Choice, Situation, check_given, choose, tell
from .report import Findings, next_lines, write_report
from .split import Split, split_clips
from .state import AdaptError, State, digest
from .videos import check_videos


@dataclass(frozen=True, slots=True)
class Adapted:
    """What :func:`adapt` made: the folder and its parts, and the headline's figures.

    ``figures`` has :class:`.judge.Rate` values by ``'frozen'``, ``'adapted'`` and ``'gain'``; it is
    empty where no clip is held out.
    """

    folder: Path
    config: Path
    checkpoint: Path
    report: Path
    figures: Mapping[str, Any]
    next_lines: Sequence[str]


def adapt(
    source: str | Path,
    out: str | Path,
    foundation: str | Path | None = None,
    *,
    videos: str | Path | None = None,
    labels: str | Path | Sequence[str] | None = None,
    group: str | None = None,
    start: str | Path | None = None,
    held_out: float = 0.25,
    window_sec: float = 10.0,
    seed: int = 0,
    descriptions: str | Path | None = None,
    describe: Callable[[Path, Path, int], None] | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int = 2,
    overwrite: bool = False,
    command: str = 'projects.msta.apis.adapt',
    say: Callable[[str], None] = print,
) -> Adapted:
    """Adapt a foundation to a user's videos: check, split, choose, train, test, report.

    Interrupted anywhere, the same call continues. ``out`` holds afterwards: ``config.py``,
    ``adapters.pth``, ``labels.txt``, ``train.txt``, ``test.txt``, ``split.json``,
    ``left_out.csv``, ``results.json`` and ``report.html``.

    Args:
        source: a folder with one folder per class, a CSV, or a list; see :func:`.collect.collect`,
            as ``videos``, ``labels`` and ``group``.
        out: the folder to write.
        foundation: file or folder of foundation weights; the tiny model that ships if None.
        start: the folder of an earlier call, whose classes, split and adapters are taken over.
        held_out: the share of each class's clips that is tested and not trained on.
        window_sec: a video of three times this length or more is cut into windows of it, each
            with the video's class; 0 cuts none.
        seed: of the split and of training.
        descriptions: a description file of the classes.
        describe: writes one instead, given the label file, the path to write and the number of
            tokens that a text may have.
        settings: choices of the recipe that the user makes; see :func:`.recipe.choose`.
        workers: processes that decode.
        overwrite: start over where ``out`` was made from other videos or settings.
        command: what the report shows as its origin.
        say: called with each line of progress.

    Raises:
        AdaptError: videos or settings that cannot be used, or ``out`` was made from others.
    """
    out = Path(out).expanduser().resolve()
    before = None if start is None else Path(start).expanduser().resolve()
    # Not resolved: what a link in Hugging Face's cache stands for has no configs beside it.
    weights = Path(foundation or TINY_SHAPES).expanduser().absolute()
    collection = collect(source, videos, labels, group, least=1 if before else 2)
    if before is not None:
        collection = join_earlier(before, collection)
    folder = Path(source).expanduser().resolve()
    if folder.is_dir() and folder in (out, *out.parents):
        raise AdaptError(f'{out} lies among the videos, where it would be a class: name another')
    given = {key: value for key, value in (settings or {}).items() if value is not None}
    if not 0 < held_out < 1:
        raise ValueError(f'the share of held-out clips must lie between 0 and 1, got {held_out}')
    if not 0 <= seed < 2**32 or workers < 1:
        raise ValueError(f'seed={seed} must lie in 0..{2**32 - 1}, workers={workers} be at least 1')
    arch = load_foundation(weights).arch
    check_given(given, arch.layers)
    if descriptions is not None:
        read_descriptions(descriptions, collection.names)
    clips = [(c.path, c.labels, c.group, c.split) for c in collection.clips]
    asked = {
        'videos': digest([str(collection.root), sorted(clips)]),
        'classes': digest([*collection.names, *([SEVERAL] if collection.multi_label else [])]),
        'foundation': str(weights),
        'start': str(before or ''),
        'held_out': held_out,
        'window_sec': window_sec,
        'seed': seed,
        'descriptions': str(descriptions or ('asked for' if describe else '')),
        'settings': digest(given),
    }
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / '.adapt.lock', 'is being adapted in (name another --out, or wait)'):
        work = _Work(
            out, collection, weights, before, State.open(out / 'adapt.json', asked, overwrite),
            seed, workers, command, say, arch,
        )  # fmt: skip
        return work.run(held_out, window_sec, descriptions, describe, given)


@dataclass(slots=True)
class _Work:
    out: Path
    collection: Collection
    weights: Path
    before: Path | None
    state: State
    seed: int
    workers: int
    command: str
    say: Callable[[str], None]
    arch: Architecture

    def run(
        self,
        held_out: float,
        window_sec: float,
        descriptions: str | Path | None,
        describe: Callable[[Path, Path, int], None] | None,
        given: Mapping[str, Any],
    ) -> Adapted:
        names, root = self.collection.names, self.collection.root
        several = self.collection.multi_label
        self.say(f'{len(self.collection.clips)} videos of {len(names)} classes in {root}')
        self.note(self.collection.remarks)
        self.say('checking every video')
        good, left_out, hashes = check_videos(
            self.collection, self.workers, self.out, self.say, window_sec
        )
        split = split_clips(good, names, held_out, self.seed)
        self.note(split.remarks)
        copies = near_duplicates(
            hashes, [clip.path for clip in split.train], [clip.path for clip in split.test]
        )
        if copies:
            self.say(
                f'warning: {len(copies)} held-out clips look like training clips (such as '
                f'{copies[0][0]} and {copies[0][1]}): the accuracy may be too good. Say which '
                'clips belong together: --group'
            )
        write_lists(self.out, root, names, split, left_out, several)
        self.say(f'{len(split.train)} clips to train on, {len(split.test)} held out')
        arch = self.arch
        described = self.describe(arch, descriptions, describe)
        choices = self.choose(arch, split, described, given)
        trials = self.search(arch, split, choices)
        rates = choices['learning_rates'].value
        best = best_trial(trials) if trials else Trial(rates[len(rates) // 2], 0.0, 0.0)
        rate, threshold = best.rate, 0.5 if best.threshold is None else best.threshold
        self.say(f'learning rate {rate:g}')
        if several:
            why = 'the highest F1 in the trial' if trials else 'nothing to choose it by'
            self.say(f'labels are shown from a probability of {threshold:.2f} on ({why})')
        config = self.out / 'config.py'
        cfg = make_config(
            arch, self.weights, self.out, root, choices, rate, self.seed, split.test,
            self.before and self.before / 'adapters.pth', None, several, threshold,
        )  # fmt: skip
        write_config(config, cfg, choices, self.command)
        self.say('training')
        checkpoint = train_adapters(config, self.out / 'training', self.out / 'adapters.pth')
        frozen, adapted = self.evaluate(split.test, config, checkpoint)
        findings = Findings(
            f'{self.out.name}: recognising {len(names)} actions', names, split.train, split.test,
            frozen, adapted, choices, trials,
            [*self.collection.remarks, *split.remarks],
            left_out, copies, new_classes(self.before, names), self.command, self.out,
            several, threshold,
        )  # fmt: skip
        report = self.out / 'report.html'
        figures = write_report(report, findings, lambda path: frames_of(root / path))
        write_results(self.out / 'results.json', findings, figures, rate)
        return Adapted(self.out, config, checkpoint, report, figures, next_lines(findings))

    def note(self, remarks: Sequence[str]) -> None:
        for remark in remarks:
            self.say(f'note: {remark}')

    def describe(
        self,
        arch: Architecture,
        descriptions: str | Path | None,
        describe: Callable[[Path, Path, int], None] | None,
    ) -> bool:
        """Put a description file in the folder, if there is one to be had."""
        target = self.out / 'descriptions.json'
        if descriptions is not None:
            write_text(target, Path(descriptions).read_text(encoding='utf-8'))
        elif describe is not None and not target.is_file():
            self.say('having descriptions written')
            describe(self.out / 'labels.txt', target, arch.context_length)
        return target.is_file()

    def choose(
        self, arch: Architecture, split: Split, described: bool, given: Mapping[str, Any]
    ) -> dict[str, Choice]:
        gpu, cores = machine()
        situation = Situation(
            counts=tuple(self.collection.counts(split.train)),
            names=tuple(self.collection.names),
            layers=arch.layers,
            width=arch.width,
            described=described,
            gpu_gib=gpu,
            cores=cores,
            videos=len(split.train),
        )
        choices = choose(situation, given)
        for line in tell(choices):
            self.say(f'  {line}')
        return choices

    def search(
        self, arch: Architecture, split: Split, choices: Mapping[str, Choice]
    ) -> list[Trial]:
        """What :func:`.models.try_rates` gives on a third of the training clips, held out.

        [] for a single rate, unless it is several labels that a threshold is wanted for.
        """
        rates = choices['learning_rates'].value
        names = self.collection.names
        inner = split_clips(
            [Clip(c.path, c.labels, c.group) for c in split.train], names, 1 / 3, self.seed + 1
        )
        if len(rates) == 1 and not self.collection.multi_label:
            return []
        if len(inner.test) < max(8, len(names)):
            self.say(
                f'note: only {len(inner.test)} training clips could be held out to try learning '
                'rates, too few to tell them apart: the middle one is taken'
            )
            return []

        batch = Choice(min(choices['batch'].value, len(inner.train)), choices['batch'].reason)
        fewer = {**choices, 'batch': batch}

        def config_for(rate: float, folder: Path) -> Path:
            cfg = make_config(
                arch, self.weights, self.out, self.collection.root, fewer, rate, self.seed,
                inner.test, self.before and self.before / 'adapters.pth', self.out / 'search',
                self.collection.multi_label,
            )  # fmt: skip
            write_config(folder / 'config.py', cfg, fewer, f'a trial of {self.command}')
            return folder / 'config.py'

        several = self.collection.multi_label
        write_lists(self.out / 'search', self.collection.root, names, inner, [], several)
        return try_rates(
            rates, inner.test, self.collection.root, config_for, self.out / 'search', self.state,
            self.workers, self.say, several,
        )  # fmt: skip

    def evaluate(
        self, test: Sequence[Clip], config: Path, checkpoint: Path
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the frozen and of the adapted model on the held-out clips, ``(N, K)`` each."""
        if not test:
            empty = np.empty((0, len(self.collection.names)))
            return empty, empty
        root = self.collection.root
        self.say('testing the frozen model')
        frozen = score_clips(config, None, root, test, self.workers)
        self.say('testing the adapted model')
        return frozen, score_clips(config, checkpoint, root, test, self.workers)


__all__ = ['AdaptError', 'Adapted', 'adapt']
