"""What ``tools/calibrate.py`` does."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.lists.annotations import read_annotations
from ..inference.rejection import calibrate as fit_rule
from ..training.config import ConfigError
from .infer import make_inferencer, stdout_is_for_results

if TYPE_CHECKING:
    from ..inference.inferencer import MSTAInferencer


def calibrate(args: argparse.Namespace) -> None:
    """Find the rule for 'none of these' from videos with and without the labels."""
    with stdout_is_for_results():
        inferencer = make_inferencer(args)
    with inferencer:
        known = args.known
        if known.endswith(('.txt', '.csv')):
            root = Path(args.data_root or Path(known).parent)
            listed = read_annotations(known, None, None, need_labels=False)
            videos: Any = [root / video.path for video in listed]
        else:
            videos = known
        inside = _cosines(inferencer, videos)
        outside = _cosines(inferencer, args.unknown) if args.unknown else None
    found = fit_rule(inside, outside, args.method, args.keep)
    found.rejection.save(args.out)
    value = found.rejection.value
    print(f'{args.out}: {args.method} {value:.4f} on {len(inside)} videos of the labels')
    print(f'  of them pass: {found.known_kept:.1%}')
    if outside is not None and found.unknown_rejected is not None:
        print(f'  of {len(outside)} others are rejected: {found.unknown_rejected:.1%}')
        print(f'  area under the ROC curve: {found.auroc:.3f}')


def _cosines(inferencer: MSTAInferencer, videos: Any) -> np.ndarray:
    """Cosines with every label, of the readable videos, ``(N, K)``; the others are
    named on stderr."""
    rows = []
    for result in inferencer.iterate(videos, topk=len(inferencer.labels)):
        if not result.ok:
            print(f'warning: left out: {result.error}', file=sys.stderr)
            continue
        rows.append(result.cosines)
    if not rows:
        raise ConfigError(f'{videos}: no readable video')
    return np.array(rows)
