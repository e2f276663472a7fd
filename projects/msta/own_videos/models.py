"""Training and scoring within an adaptation, and what the machine offers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.decoding import VideoDecodeError
from ..datasets.readers import read_frames
from ..evaluation.measures import best_threshold
from .collect import Clip
from .judge import right_answers, truth_of
from .state import State


def machine() -> tuple[float | None, int]:
    """Memory of the first GPU in GiB (None without one), and the processor's cores."""
    import torch

    gpu = None
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0).total_memory / 2**30
    return gpu, len(os.sched_getaffinity(0))


def train_adapters(config: Path, work_dir: Path, target: Path) -> Path:
    """Train to the end, from where an earlier call stopped; keep the adapters in ``target``."""
    import torch

    from .. import register  # noqa: F401
    from ..files import replacing
    from ..models.checkpoints import read_checkpoint
    from ..training.launch import train

    if target.is_file():
        return target
    quiet = {'log_level': 'WARNING', 'default_hooks.progress.type': 'ProgressHook'}
    # Squares of small gradients are numbers that a CPU is slow with, and nothing needs.
    torch.set_flush_denormal(True)
    try:
        train(config, work_dir=work_dir, resume='auto', validate=False, cfg_options=quiet)
    finally:
        torch.set_flush_denormal(False)
    last = Path((work_dir / 'last_checkpoint').read_text(encoding='utf-8').strip())
    with replacing(target) as temporary:
        torch.save({'state_dict': read_checkpoint(last).state_dict, 'meta': {}}, temporary)
    return target


def score_clips(
    config: Path, checkpoint: Path | None, root: Path, clips: Sequence[Clip], workers: int
) -> np.ndarray:
    """Scores ``(N, K)`` of clips; a row of NaN where one cannot be read. None: frozen."""
    from ..inference.inferencer import MSTAInferencer

    with warnings.catch_warnings():
        # The frozen model of several labels gives no probabilities; its order is what is measured.
        warnings.filterwarnings('ignore', 'no bias is known')
        inferencer = MSTAInferencer(config, checkpoint, workers=workers)
    with inferencer:
        scores = np.full((len(clips), len(inferencer.labels)), np.nan)
        results = inferencer.iterate([str(root / clip.path) for clip in clips])
        for row, result in enumerate(results):
            if result.scores is not None:
                scores[row] = result.scores
    return scores


@dataclass(frozen=True, slots=True)
class Trial:
    """What a learning rate gave on held-out training clips.

    ``value`` is the accuracy in 0..1 and ``loss`` the mean of -log p of the true class; with
    several labels the mean average precision, 1 minus it, and the best ``threshold``.
    """

    rate: float
    value: float
    loss: float
    threshold: float | None = None


def try_rates(
    rates: Sequence[float],
    held_out: Sequence[Clip],
    root: Path,
    config_for: Callable[[float, Path], Path],
    folder: Path,
    state: State,
    workers: int,
    say: Callable[[str], None],
    multi_label: bool = False,
) -> list[Trial]:
    """Train with each learning rate and test on held-out training clips."""
    trials = []
    for rate in rates:
        step = f'learning rate {rate:g}'
        found = state.get(step)
        if found is None:
            say(f'trying {step}')
            place = folder / f'rate_{rate:g}'
            config = config_for(rate, place)
            checkpoint = train_adapters(config, place / 'training', place / 'adapters.pth')
            scores = score_clips(config, checkpoint, root, held_out, workers)
            found = _measured(scores, held_out, multi_label)
            state.set(step, found)
        trial = Trial(rate, *found)
        measure = 'mean average precision' if multi_label else f'right, loss {trial.loss:.2f},'
        say(f'  {100 * trial.value:.1f}% {measure} on {len(held_out)} held-out training clips')
        trials.append(trial)
    return trials


def _measured(
    scores: np.ndarray, clips: Sequence[Clip], multi_label: bool
) -> tuple[float, float, float | None]:
    if multi_label:
        from ..evaluation.multi_label import average_precisions

        truth = truth_of(clips, scores.shape[1])
        value = float(np.nanmean(average_precisions(scores, truth)))
        return value, 1 - value, best_threshold(scores, truth)
    labels = np.array([clip.label for clip in clips])
    known = np.isfinite(scores).all(1)
    # Scores that are not finite are as wrong as can be, lest a rate that diverged looks best.
    sure = np.where(known, scores[np.arange(len(labels)), labels], 0).clip(1e-9)
    return float(right_answers(scores, labels).mean()), float(-np.log(sure).mean()), None


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The trial of the lowest loss, which tells a handful of clips apart where accuracies tie; of
    equal ones the lowest rate, which changes the model least.
    """
    return min(trials, key=lambda trial: (trial.loss, trial.rate))


def frames_of(path: Path) -> np.ndarray | None:
    """The frames that a test clip samples, ``(8, H, W, 3)``; None if they cannot be read."""
    try:
        return read_frames(path)
    except VideoDecodeError:
        return None
