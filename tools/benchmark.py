#!/usr/bin/env python3
"""Speed and memory of the real-size model beside a plain implementation of the same."""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

COMPARED = (
    'training step',
    'precision of a step',
    'text side of a step',
    'clip forward',
    'clips',
    'compiled step',
    'classes',
    'memory',
)
CASES = (*COMPARED, 'input')
# A trial, decided by docs/performance.md.
DEFAULT = tuple(case for case in CASES if case != 'compiled step')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--arch', default='b16', help='ViCLIP preset (b16, l14), or tiny')
    parser.add_argument('--context', type=int, default=32, help='text context: 32 ViCLIP, 77 CLIP')
    parser.add_argument('--batch', type=int, default=4, help='clips a step')
    parser.add_argument('--classes', type=int, default=400)
    parser.add_argument('--repeats', type=int, default=3, help='rounds; the sides take turns')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument('--cases', nargs='+', choices=CASES, default=DEFAULT, help='only these')
    parser.add_argument('--out', type=Path, help='also write the report as JSON')
    parser.add_argument('--only-memory', metavar='SIDE', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.commands.common import quiet_imports

    quiet_imports()
    if 'input' in args.cases and not args.only_memory:
        from benchmarks import input_speed

        print(input_speed.table(input_speed.measure(args.repeats)), end='\n\n', flush=True)
        loaders = input_speed.measure_workers(args.repeats)
        print(input_speed.table(loaders, 'training loader'), end='\n\n', flush=True)
    if not args.only_memory and not set(args.cases) & set(COMPARED):
        return 0
    from benchmarks import benchmark
    from projects.msta.files import write_json

    if args.only_memory:
        print(json.dumps({'peak_mib': benchmark.memory_of(args, args.only_memory)}))
        return 0
    report = benchmark.run(args)
    print(benchmark.table(report))
    if args.out:
        write_json(args.out, json.loads(json.dumps(report, default=str)), indent=2)
    return 0


if __name__ == '__main__':
    sys.exit(main())
