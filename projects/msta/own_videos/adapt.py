"""All steps from a folder of videos to a recogniser; each is skipped where its result is there."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.lists.annotations import Video, write_annotations, write_lines
from ..datasets.lists.copies import near_duplicates
from ..datasets.lists.probe import Probe, probe_videos
from ..files import write_json, write_text
from ..foundation import load_foundation
from ..locks import locked
from .collect import Clip, Collection, collect
from .config_file import make_config, write_config
from .recipe import Choice, Situation, choose, tell
from .report import Findings, worst_classes, write_report
from .split import Split, split_clips

_STATE = 'adapt.json'


class AdaptError(ValueError):
    """Videos or settings that cannot be adapted to."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What :func:`adapt` made: the folder, its parts, and the headline's figures."""

    folder: Path
    config: Path
    checkpoint: Path
    report: Path
    figures: dict[str, Any]


def adapt(
    source: str | Path,
    out: str | Path,
    foundation: str | Path,
    *,
    videos: str | Path | None = None,
    labels: str | Path | Sequence[str] | None = None,
    group: str | None = None,
    start: str | Path | None = None,
    held_out: float = 0.25,
    seed: int = 0,
    descriptions: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int = 2,
    overwrite: bool = False,
    command: str = '',
    say: Callable[[str], None] = print,
) -> Adapted:
    """Adapt a foundation to a user's videos: check, split, choose, train, test, report.

    Interrupted anywhere, the same call continues. ``out`` holds afterwards: ``config.py``,
    ``adapters.pth``, ``labels.txt``, ``train.txt``, ``test.txt``, ``left_out.csv``,
    ``results.json`` and ``report.html``.

    Args:
        source: see :func:`.collect.collect`, as ``videos``, ``labels`` and ``group``.
        out: the folder to write.
        foundation: file or folder of foundation weights.
        start: the folder of an earlier call whose classes, split and adapters are taken over.
        held_out: the share of each class's clips that is tested and not trained on.
        seed: of the split and of training.
        descriptions: a description file of the classes.
        settings: choices of the recipe that the user makes (:func:`.recipe.choose`).
        workers: decoding processes.
        overwrite: start anew where ``out`` was made from other videos or settings.
        command: the command line, for the report.
        say: called with each line of progress.

    Raises:
        AdaptError: videos or settings that cannot be used, or ``out`` made from others.
    """
    out = Path(out).expanduser().resolve()
    before = Path(start).expanduser().resolve() if start is not None else None
    collection = collect(source, videos, labels, group)
    if before is not None:
        collection = _joined(before, collection)
    asked = dict(
        clips=_digest(sorted((c.path, c.labels, c.group, c.split) for c in collection.clips)),
        root=str(collection.root),
        names=collection.names,
        foundation=str(Path(foundation).resolve()),
        start=str(before or ''),
        held_out=held_out,
        seed=seed,
        descriptions='' if descriptions is None else _digest(Path(descriptions).read_text('utf-8')),
        settings={key: value for key, value in (settings or {}).items() if value is not None},
    )
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / '.adapt.lock', 'is being adapted in (name another --out, or wait)'):
        state = _State.open(out / _STATE, asked, overwrite)
        work = _Work(out, collection, Path(foundation), state, workers, say, command)
        return work.run(
            before, held_out, seed, descriptions, dict(settings or {})
        )


class _State:
    """Which steps are done, beside what they were asked."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self.path, self.data = path, data

    @classmethod
    def open(cls, path: Path, asked: dict[str, Any], overwrite: bool) -> _State:
        asked = json.loads(json.dumps(asked))
        if path.is_file() and not overwrite:
            data = json.loads(path.read_text(encoding='utf-8'))
            other = [key for key in asked if data['asked'].get(key) != asked[key]]
            if other:
                raise AdaptError(
                    f'{path.parent} was made with other {", ".join(other)}: name another --out, '
                    'or start anew with --overwrite'
                )
            return cls(path, data)
        state = cls(path, {'asked': asked, 'done': {}})
        state.save()
        return state

    def get(self, step: str) -> Any:
        return self.data['done'].get(step)

    def set(self, step: str, value: Any) -> Any:
        self.data['done'][step] = json.loads(json.dumps(value))
        self.save()
        return self.data['done'][step]

    def save(self) -> None:
        write_json(self.path, self.data, indent=1)


@dataclass(slots=True)
class _Work:
    out: Path
    collection: Collection
    foundation: Path
    state: _State
    workers: int
    say: Callable[[str], None]
    command: str

    def run(
        self,
        before: Path | None,
        held_out: float,
        seed: int,
        descriptions: str | Path | None,
        given: dict[str, Any],
    ) -> Adapted:
        names = self.collection.names
        self.say(f'{len(self.collection.clips)} videos of {len(names)} classes in '
                 f'{self.collection.root}')
        for remark in self.collection.remarks:
            self.say(f'note: {remark}')
        good, left_out, hashes = self.check()
        kept = _earlier_split(before, self.collection.root)
        split = split_clips(good, names, held_out, seed, kept)
        copies = near_duplicates(
            hashes, [c.path for c in split.train], [c.path for c in split.test]
        )
        self.write_lists(split, left_out)
        self.say(f'{len(split.train)} clips to train on, {len(split.test)} held out')
        remarks = [*self.collection.remarks, *split.remarks]
        for remark in split.remarks:
            self.say(f'note: {remark}')
        if copies:
            self.say(
                f'warning: {len(copies)} held-out clips look like training clips (such as '
                f'{copies[0][0]} and {copies[0][1]}): the accuracy may be too good. Say which clips '
                'belong together: --group'
            )
        self.say('reading the foundation')
        arch = load_foundation(self.foundation).arch
        if descriptions is not None:
            write_text(self.out / 'descriptions.json', Path(descriptions).read_text('utf-8'))
        gpu, cores = _machine()
        counts = tuple(self.collection.counts(split.train))
        situation = Situation(
            counts, tuple(names), arch.layers, arch.width, arch.kind, descriptions is not None,
            gpu, cores, self.collection.multi_label,
        )  # fmt: skip
        choices = choose(situation, given)
        for line in tell(choices):
            self.say(f'  {line}')
        rates = list(choices['learning_rates'].value)
        trials = self.search(arch, split, choices, rates, seed) if len(rates) > 1 else []
        rate = best_rate(trials) if trials else rates[0]
        if trials:
            self.say(f'learning rate {rate:g}')
        cfg = make_config(
            arch, self.foundation.resolve(), self.out, self.collection.root, choices, rate, seed,
            bool(split.test), self.collection.multi_label,
        )  # fmt: skip
        write_config(self.out / 'config.py', cfg, choices, self.command or 'tools/adapt.py')
        checkpoint = self.train(before)
        frozen, adapted = self.evaluate(split.test, checkpoint)
        findings = Findings(
            f'{self.out.name}: recognising {len(names)} actions', names, split.train, split.test,
            frozen, adapted, choices, trials, remarks, left_out, copies,
            _new_classes(before, names),
        )  # fmt: skip
        findings.commands = '\n'.join(self.next_lines(findings))
        report = self.out / 'report.html'
        figures = write_report(report, findings, self.frames_of)
        self.write_results(findings, figures, rate)
        return Adapted(self.out, self.out / 'config.py', checkpoint, report, figures)

    # ------------------------------------------------------------------ steps

    def check(self) -> tuple[list[Clip], list[tuple[str, str]], dict[str, np.ndarray]]:
        """Read every video; what is readable, what is not and why, and hashes of their frames."""
        paths = [clip.path for clip in self.collection.clips]
        self.say('checking every video')
        probes = probe_videos(
            self.collection.root, paths, workers=self.workers, journal=self.out / 'checked.jsonl'
        )
        bad = {probe.path: probe.detail for probe in probes if probe.reason}
        for path, why in bad.items():
            self.say(f'left out: {path}: {why}')
        good = [clip for clip in self.collection.clips if clip.path not in bad]
        readable = {k for clip in good for k in clip.labels}
        if len(readable) < 2:
            raise AdaptError(
                f'{len(bad)} of {len(paths)} videos cannot be read, and the others are of '
                f'{len(readable)} class(es): {"; ".join(f"{p}: {w}" for p, w in [*bad.items()][:3])}'
            )
        return good, [*bad.items()], _hashes(probes)

    def write_lists(self, split: Split, left_out: Sequence[tuple[str, str]]) -> None:
        """Write labels, lists and what was left out."""
        write_lines(self.out / 'labels.txt', self.collection.names)
        for name, clips in (('train', split.train), ('test', split.test)):
            write_annotations(
                self.out / f'{name}.txt', [Video(clip.path, clip.label) for clip in clips]
            )
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerows([('path', 'why'), *left_out])
        write_text(self.out / 'left_out.csv', text.getvalue())
        sides = {
            str(self.collection.root / clip.path): dict(side=side, group=clip.group)
            for side, clips in (('train', split.train), ('test', split.test))
            for clip in clips
        }
        write_json(self.out / 'split.json', sides, indent=0)

    def search(
        self,
        arch: Any,
        split: Split,
        choices: dict[str, Choice],
        rates: Sequence[float],
        seed: int,
    ) -> list[tuple[float, float]]:
        """Accuracy of each learning rate on a fifth of the training clips, held out."""
        names = self.collection.names
        inner = split_clips(
            [replace(clip, split='') for clip in split.train], names, 0.2, seed + 1
        )
        if len(inner.test) < 2 * len(names) or not inner.train:
            self.say(
                f'note: {len(inner.test)} training clips could be held out to try learning rates: '
                'too few, the middle one is taken'
            )
            return []
        folder = self.out / 'search'
        for name, clips in (('train', inner.train), ('test', inner.test)):
            write_annotations(
                folder / f'{name}.txt', [Video(clip.path, clip.label) for clip in clips]
            )
        trials = []
        for rate in rates:
            key = f'rate {rate:g}'
            right = self.state.get(key)
            if right is None:
                self.say(f'trying learning rate {rate:g}')
                cfg = make_config(
                    arch, self.foundation.resolve(), self.out, self.collection.root, choices, rate,
                    seed, True,
                )  # fmt: skip
                for part, name in (('train', 'train'), ('test', 'test'), ('val', 'test')):
                    _innermost(cfg[f'{part}_dataloader'].dataset).ann_file = str(
                        folder / f'{name}.txt'
                    )
                path = folder / f'rate_{rate:g}' / 'config.py'
                write_config(path, cfg, choices, f'a trial of {self.command}')
                checkpoint = _train(path, path.parent, None)
                scores = self.score(path, checkpoint, inner.test)
                truth = np.array([clip.label for clip in inner.test])
                from .report import right_answers

                right = self.state.set(key, float(right_answers(scores, truth).mean()))
                self.say(f'  {100 * right:.1f}% of {len(inner.test)} held-out training clips')
            trials.append((rate, right))
        return trials

    def train(self, before: Path | None) -> Path:
        """Train, or go on training; copy the adapters out."""
        target = self.out / 'adapters.pth'
        if self.state.get('trained') and target.is_file():
            return target
        self.say('training')
        last = _train(self.out / 'config.py', self.out / 'training', before)
        from ..models.checkpoints import write_adapters

        write_adapters(last, target)
        self.state.set('trained', True)
        return target

    def evaluate(self, test: Sequence[Clip], checkpoint: Path) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the frozen and of the adapted model on the held-out clips."""
        if not test:
            empty = np.empty((0, len(self.collection.names)))
            return empty, empty
        config = self.out / 'config.py'
        self.say('testing the frozen model')
        frozen = self.score(config, None, test)
        self.say('testing the adapted model')
        return frozen, self.score(config, checkpoint, test)

    def score(self, config: Path, checkpoint: Path | None, clips: Sequence[Clip]) -> np.ndarray:
        """Scores ``(N, K)``; NaN where a clip cannot be read."""
        from ..inference.inferencer import MSTAInferencer

        with MSTAInferencer(config, checkpoint, workers=self.workers) as inferencer:
            scores = np.full((len(clips), len(inferencer.labels)), np.nan)
            paths = [str(self.collection.root / clip.path) for clip in clips]
            for row, result in enumerate(inferencer.iterate(paths)):
                if result.scores is not None:
                    scores[row] = result.scores
        return scores

    def frames_of(self, path: str) -> np.ndarray | None:
        """Eight frames of a clip at equal distances, as the model samples them."""
        from ..datasets.decoding import VideoDecodeError
        from ..datasets.readers import IsolatedReader

        try:
            reader = IsolatedReader(str(self.collection.root / path))
            total = len(reader)
            return reader.get_batch([(2 * i + 1) * total // 16 for i in range(8)]).asnumpy()
        except VideoDecodeError:
            return None

    def next_lines(self, findings: Findings) -> list[str]:
        """Commands to run next."""
        folder = shlex.quote(str(_shown(self.out)))
        lines = [
            f'tools/infer.py VIDEO --config {folder}/config.py --checkpoint {folder}/adapters.pth',
            f'tools/demo_app.py --config {folder}/config.py --checkpoint {folder}/adapters.pth',
            f'tools/adapt.py MORE_VIDEOS --start {folder} --out NEW_FOLDER',
        ]
        weak = worst_classes(findings) if findings.test else []
        if weak:
            lines.append(f'# more clips would help most for: {", ".join(weak)}')
        again = self.command or 'tools/adapt.py ...'
        return [f'# made by\n{again}', '# next', *lines]

    def write_results(
        self, findings: Findings, figures: Mapping[str, Any], rate: float
    ) -> None:
        """Write what the report shows, for programs."""
        data = {
            'classes': findings.names,
            'headline': {
                key: asdict(value) for key, value in figures.items() if key != 'parts'
            },
            'learning_rate': rate,
            'trials': findings.trials,
            'choices': {name: asdict(choice) for name, choice in findings.choices.items()},
            'left_out': findings.left_out,
            'near_duplicates': findings.copies,
            'remarks': findings.remarks,
            'clips': [
                {
                    'path': clip.path,
                    'labels': [findings.names[k] for k in clip.labels],
                    'frozen': _row(findings.frozen[index]),
                    'adapted': _row(findings.adapted[index]),
                }
                for index, clip in enumerate(findings.test)
            ],
        }
        write_json(self.out / 'results.json', data, indent=1)


def best_rate(trials: Sequence[tuple[float, float]]) -> float:
    """The rate of the best accuracy; of equal ones the lowest, which changes the model least."""
    return min(trials, key=lambda trial: (-trial[1], trial[0]))[0]


def _train(config: Path, work_dir: Path, before: Path | None) -> Path:
    from ..training.launch import train

    options = {} if before is None else {'load_from': str(before / 'adapters.pth')}
    train(
        config,
        work_dir=work_dir,
        resume='auto',
        validate=False,
        cfg_options={'log_level': 'WARNING', **options},
    )
    return Path((work_dir / 'last_checkpoint').read_text(encoding='utf-8').strip())
