#!/usr/bin/env python
"""The main job on the Shapes world: render, train MSTA, test it beside the frozen model."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from projects.msta.commands.common import CfgOptions, run_tool

NEXT_STEPS = """what to run next:
  tools/demo.py --seeds 1 2 3                         mean and spread over three draws of shots
  tools/train.py configs/msta_tiny_shapes.py          the same training, as an ordinary run
  tools/doctor.py                                     what is installed, which weights are there
  tools/train.py configs/msta_vitb16_k400.py          Kinetics-400; says what it needs first"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1], choices=(1, 2, 3))
    parser.add_argument('--data', type=Path, default=ROOT / 'data' / 'shapes', help='videos')
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs' / 'demo', help='results')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='settings that replace those of configs/msta_tiny_shapes.py',
    )
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    import time

    from projects.msta.commands.demo import Demo, report, save_result
    from projects.msta.commands.demo_plot import draw

    start = time.perf_counter()
    demo = Demo(data=args.data, out=args.out, options=args.cfg_options)
    result = demo.run(args.seeds)
    save_result(result, args.out / 'result.json')
    draw(result, args.out / 'demo_shapes.png')
    print('\n' + '\n'.join(report(result)))
    print(f'\nplots: {args.out / "demo_shapes.png"}   numbers: {args.out / "result.json"}')
    print(f'done in {time.perf_counter() - start:.0f} s\n\n{NEXT_STEPS}')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
