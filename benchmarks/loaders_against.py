"""Clips a second of the training loader beside that of another checkout, in turns.

    python -m benchmarks.loaders_against CHECKOUT [--rounds 3] [--workers 2]

``git worktree add CHECKOUT COMMIT`` makes one. Both read the same generated videos.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from projects.msta.paths import ROOT

_CHILD = """
import json, sys
sys.path.insert(0, '.')
try:
    from benchmarks import input_speed
except ImportError:
    from projects.msta.apis import input_speed
rows = input_speed.measure_workers(1, int(sys.argv[1]), [(int(sys.argv[2]), 2)])
print(json.dumps(next(iter(rows.values()))['clips/s']))
"""


def clips_per_second(checkout: Path, clips: int, workers: int) -> float:
    """In a process of its own, in the folder of the checkout."""
    done = subprocess.run(
        [sys.executable, '-c', _CHILD, str(clips), str(workers)],
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkout', type=Path)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--clips', type=int, default=192)
    parser.add_argument('--workers', type=int, default=2)
    args = parser.parse_args()
    ratios = []
    for _ in range(args.rounds):
        theirs = clips_per_second(args.checkout, args.clips, args.workers)
        ours = clips_per_second(ROOT, args.clips, args.workers)
        ratios.append(ours / theirs)
        print(f'{theirs:.1f} clips/s there, {ours:.1f} here: {ratios[-1]:.2f}', flush=True)
    print(f'median ratio {statistics.median(ratios):.2f}, {args.workers} workers')


if __name__ == '__main__':
    main()
