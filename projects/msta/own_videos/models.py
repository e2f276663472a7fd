"""Training and scoring within an adaptation, and what the machine offers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..datasets.decoding import VideoDecodeError
from ..datasets.readers import read_frames
from .collect import Clip
from .judge import right_answers
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

    with MSTAInferencer(config, checkpoint, workers=workers) as inferencer:
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
) -> list[tuple[float, float]]:
    """Train with each learning rate and test on held-out training clips.

    Returns:
        (rate, accuracy in 0..1) for each.
    """
    trials = []
    truth = np.array([clip.label for clip in held_out])
    for rate in rates:
        step = f'learning rate {rate:g}'
        right = state.get(step)
        if right is None:
            say(f'trying {step}')
            place = folder / f'rate_{rate:g}'
            config = config_for(rate, place)
            checkpoint = train_adapters(config, place / 'training', place / 'adapters.pth')
            scores = score_clips(config, checkpoint, root, held_out, workers)
            right = float(right_answers(scores, truth).mean())
            state.set(step, right)
        say(f'  {100 * right:.1f}% of {len(held_out)} held-out training clips')
        trials.append((rate, right))
    return trials


def best_rate(trials: Sequence[tuple[float, float]]) -> float:
    """The rate of the best accuracy; of equal ones the lowest, which changes the model least."""
    return min(trials, key=lambda trial: (-trial[1], trial[0]))[0]


def frames_of(path: Path) -> np.ndarray | None:
    """The frames that a test clip samples, ``(8, H, W, 3)``; None if they cannot be read."""
    try:
        return read_frames(path)
    except VideoDecodeError:
        return None
