#!/usr/bin/env python3
"""Speed and memory of the real-size model beside a plain implementation of the same."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

CASES = ('training step', 'text side of a step', 'clip forward')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--arch', default='b16', help='ViCLIP preset (b16, l14)')
    parser.add_argument('--context', type=int, default=32, help='text context: 32 ViCLIP, 77 CLIP')
    parser.add_argument('--batch', type=int, default=4, help='clips a step')
    parser.add_argument('--classes', type=int, default=400)
    parser.add_argument('--repeats', type=int, default=5, help='rounds; the sides take turns')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument('--cases', nargs='+', choices=CASES, help='measure only these')
    parser.add_argument('--no-memory', dest='memory', action='store_false')
    parser.add_argument('--out', type=Path, help='also write the report as JSON')
    parser.add_argument('--only-memory', choices=('plain', 'ours'), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.apis.cli import quiet_imports

    quiet_imports()
    from projects.msta.apis import benchmark
    from projects.msta.apis.results import write_text

    if args.only_memory:
        print(json.dumps({'peak_mib': benchmark.memory_of(args, args.only_memory)}))
        return 0
    report = benchmark.run(args)
    print(benchmark.table(report))
    if args.out:
        write_text(args.out, json.dumps(report, indent=2, default=str) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
