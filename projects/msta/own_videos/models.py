"""Training and scoring within an adaptation, and what the machine offers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
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
    train(config, work_dir=work_dir, resume='auto', validate=False, cfg_options=quiet)
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
) -> list[tuple[float, float, float | None]]:
    """Train with each learning rate and test on held-out training clips.

    Returns:
        (rate, accuracy or, with ``multi_label``, mean average precision in 0..1, and the best
        threshold there) for each.
    """
    from ..evaluation.multi_label import average_precisions

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
            if multi_label:
                truth = truth_of(held_out, scores.shape[1])
                value = float(np.nanmean(average_precisions(scores, truth)))
                found = [value, best_threshold(scores, truth)]
            else:
                found = right_answers(scores, np.array([clip.label for clip in held_out])).mean()
                found = float(found)
            state.set(step, found)
        value, threshold = found if multi_label else (found, None)
        measure = 'mean average precision' if multi_label else 'right'
        say(f'  {100 * value:.1f}% {measure} on {len(held_out)} held-out training clips')
        trials.append((rate, value, threshold))
    return trials


def best_trial(
    trials: Sequence[tuple[float, float, float | None]],
) -> tuple[float, float, float | None]:
    """The trial of the best value; of equal ones the lowest rate, which changes the model least."""
    return min(trials, key=lambda trial: (-trial[1], trial[0]))


def frames_of(path: Path) -> np.ndarray | None:
    """The frames that a test clip samples, ``(8, H, W, 3)``; None if they cannot be read."""
    try:
        return read_frames(path)
    except VideoDecodeError:
        return None
