"""The main job on the Shapes world: render, train MSTA, test it beside the frozen model."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..paths import ROOT
from .common import CFG_OPTIONS, make_main, make_parser

NEXT_STEPS = """what to run next:
  tools/demo.py --seeds 1 2 3                         mean and spread over three draws of shots
  tools/train.py configs/msta_tiny_shapes.py          the same training, as an ordinary run
  tools/doctor.py                                     what is installed, which weights are there
  tools/train.py configs/msta_vitb16_k400.py          Kinetics-400; says what it needs first"""

parser = make_parser(__doc__, CFG_OPTIONS)
parser.add_argument('--seeds', type=int, nargs='+', default=[1], choices=(1, 2, 3))
parser.add_argument('--data', type=Path, default=ROOT / 'data' / 'shapes', help='videos')
parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs' / 'demo', help='results')


def run(args: argparse.Namespace) -> None:
    from ..protocols.demo import Demo, report, save_result
    from ..protocols.demo_plot import draw

    start = time.perf_counter()
    result = Demo(data=args.data, out=args.out, options=args.cfg_options).run(args.seeds)
    save_result(result, args.out / 'result.json')
    draw(result, args.out / 'demo_shapes.png')
    print('\n' + '\n'.join(report(result)))
    print(f'\nplots: {args.out / "demo_shapes.png"}   numbers: {args.out / "result.json"}')
    print(f'done in {time.perf_counter() - start:.0f} s\n\n{NEXT_STEPS}')


main = make_main(parser, run)
