"""tools/calibrate.py: find below which cosine the answer is 'none of these'."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import make_main
from .model_arguments import add_model_arguments, model_options, stdout_is_for_results

if TYPE_CHECKING:
    from ..inference.rejection import Calibration


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='calibrate.py', description="Find below which cosine the answer is 'none of these'."
    )
    add = parser.add_argument
    add('known', help='videos that show one of the labels: annotation list, folder or glob')
    add('--unknown', nargs='+', help='videos that show none: folder, glob, files')
    add('--data-root', help="folder of the list's paths (the list's own)")
    add(
        '--method',
        choices=['threshold', 'margin'],
        default='threshold',
        help='the best cosine, or its lead over the second best',
    )
    add(
        '--keep',
        type=float,
        default=0.95,
        help='share of the known videos that must pass, without --unknown (%(default)s)',
    )
    add_model_arguments(parser)
    add('--batch-size', type=int, default=8, help='videos at a time')
    add('--out', required=True, metavar='RULE.json', help='file to write')
    return parser


def run(args: argparse.Namespace) -> None:
    """Calibrate, write the rule and say what it does."""
    from ..files import check_target

    check_target(args.out)
    known: Any = args.known
    if known.endswith(('.txt', '.csv')):
        from ..datasets.lists.annotations import read_annotations

        root = Path(args.data_root or Path(known).parent)
        listed = read_annotations(known, None, None, need_labels=False)
        known = [root / video.path for video in listed]
    with stdout_is_for_results():
        from ..inference.inferencer import MSTAInferencer
        from ..inference.rejection import calibrate

        with MSTAInferencer(
            **model_options(args), device=args.device, batch_size=args.batch_size
        ) as inferencer:
            inside, errors = inferencer.cosines(known)
            outside, others = inferencer.cosines(args.unknown) if args.unknown else (None, [])
    for error in [*errors, *others]:
        print(f'warning: left out: {error}', file=sys.stderr)
    if outside is not None and not len(outside):
        raise ValueError(f'--unknown {" ".join(args.unknown)}: no readable video')
    found = calibrate(inside, outside, args.method, args.keep)
    found.rejection.save(args.out)
    rule = f'{args.method} {found.rejection.value:.4f}'
    print(f'{args.out}: {rule} on {len(inside)} videos of the labels')
    report(found, 0 if outside is None else len(outside))


def report(found: Calibration, others: int) -> None:
    """Print rates on videos that the rule was not fitted to, and whether they mean anything."""
    from ..inference.rejection import FOLDS

    if found.known_kept is None:
        print(f'  too few videos for held-out rates (at least {FOLDS} of a kind)')
    else:
        print(f'  of videos that it was not fitted to pass: {found.known_kept:.1%}')
    if found.unknown_rejected is not None:
        print(f'  of {others} others are rejected, held out likewise: {found.unknown_rejected:.1%}')
    if found.auroc is not None:
        print(f'  area under the ROC curve: {found.auroc:.3f}')
    if found.useless:
        print(
            f'warning: the rule tells known from unknown videos no better than chance (area '
            f'{found.auroc:.3f}; chance reaches {found.auroc_by_chance:.3f} with so few videos): '
            'do not use it; try the other --method, other labels or a better model',
            file=sys.stderr,
        )


main = make_main(build_parser, run)
