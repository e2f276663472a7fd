"""Find below which cosine the answer is 'none of these'."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import make_main, make_parser
from .model_arguments import DEVICE, MODEL, model_options, stdout_is_for_results

if TYPE_CHECKING:
    from ..inference.rejection import Calibration

parser = make_parser(__doc__, MODEL, DEVICE)
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
add('--batch-size', type=int, default=8, help='videos at a time (%(default)s)')
add('--out', required=True, metavar='RULE.json', help='file to write')


def run(args: argparse.Namespace) -> None:
    """Calibrate, write the rule and say what it does."""
    from ..datasets.lists.annotations import read_annotations
    from ..files import check_target

    check_target(args.out)
    known: Any = args.known
    if known.endswith(('.txt', '.csv')):
        root = Path(args.data_root or Path(known).parent)
        listed = read_annotations(known, None, None, need_labels=False)
        known = [root / video.path for video in listed]
    with stdout_is_for_results() as out:
        from ..inference.inferencer import MSTAInferencer
        from ..inference.recognizers import digest_of
        from ..inference.rejection import calibrate

        with MSTAInferencer(**model_options(args), batch_size=args.batch_size) as inferencer:
            inside, errors = inferencer.cosines(known)
            outside, others = inferencer.cosines(args.unknown) if args.unknown else (None, [])
        for error in [*errors, *others]:
            print(f'warning: left out: {error}', file=sys.stderr)
        if outside is not None and not len(outside):
            raise ValueError(f'--unknown {" ".join(args.unknown)}: no readable video')
        found = calibrate(inside, outside, args.method, args.keep)
        labels, model = tuple(inferencer.labels), digest_of(inferencer.model)
        replace(found.rejection, labels=labels, model=model).save(args.out)
        rule = f'{args.method} {found.rejection.value:.4f}'
        print(f'{args.out}: {rule} on {len(inside)} videos of the labels', file=out)
        print(report(found, 0 if outside is None else len(outside)), file=out)
    if found.useless:
        print(
            f'warning: the rule tells known from unknown videos no better than chance (area '
            f'{found.auroc:.3f}; chance reaches {found.auroc_by_chance:.3f} with so few videos): '
            'do not use it; try the other --method, other labels or a better model',
            file=sys.stderr,
        )


def report(found: Calibration, others: int) -> str:
    """Lines on what the rule does on videos that it was not fitted to."""
    from ..inference.rejection import FOLDS

    lines = [f'  too few videos for held-out rates (at least {FOLDS} of a kind)']
    if found.known_kept is not None:
        lines = [f'  of videos that it was not fitted to pass: {found.known_kept:.1%}']
    if found.unknown_rejected is not None:
        share = f'{found.unknown_rejected:.1%}'
        lines.append(f'  of {others} others are rejected, held out likewise: {share}')
    if found.auroc is not None:
        lines.append(f'  area under the ROC curve: {found.auroc:.3f}')
    return '\n'.join(lines)


main = make_main(parser, run)
