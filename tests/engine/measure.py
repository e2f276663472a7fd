"""Measure how long resuming within an epoch takes to its first step, beside a fresh start.

    python -m tests.engine.measure [--videos 2000] [--done 0.9] [--rounds 5]

Renders tiny videos, trains on them with ``tools/train.py`` until SIGTERM comes at that part of the
epoch, and then starts the same training anew and resumes it, in turns. The median of the rounds'
ratios counts. Takes a few minutes on two cores.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

BATCH, WORKERS = 8, 2
ROOT = Path(__file__).resolve().parents[2]


@HOOKS.register_module(force=True)
class Clock(Hook):
    """Notes the moments before training and after its first step, and ends it there.

    With ``stop``, training is told to stop after that many iterations instead.
    """

    priority = 'HIGHEST'

    def __init__(self, file: str, stop: int = 0) -> None:
        self.file, self.stop, self.moments = Path(file), stop, []

    def before_train(self, runner):
        self.moments.append(time.time())

    def after_train_iter(self, runner, **kwargs):
        if not self.stop:
            self.moments.append(time.time())
            self.file.write_text(json.dumps({'iter': runner.iter, 'moments': self.moments}))
            runner.train_loop.dataloader._iterator._shutdown_workers()
            os._exit(0)
        if runner.iter + 1 == self.stop:
            os.kill(os.getpid(), signal.SIGTERM)


def write_videos(folder: Path, count: int) -> list[str]:
    """Videos of 48 x 32 pixels and 12 frames; give the lines of their list."""
    rng = np.random.default_rng(0)
    for index in range(count):
        path = folder / f'{index}.mp4'
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (48, 32))
        frame = rng.integers(0, 250, (32, 48, 3), dtype=np.uint8)
        for shift in range(12):
            writer.write(np.ascontiguousarray(np.roll(frame, shift, axis=1)))
        writer.release()
    return [f'{index}.mp4 {index % 3}\n' for index in range(count)]


def train(config: Path, work_dir: Path, *options: str, stop: int = 0) -> tuple[float, dict]:
    """Run ``tools/train.py``; give when it began and what the clock noted."""
    clock = work_dir.with_suffix('.json')
    command = [os.sys.executable, ROOT / 'tools/train.py', config, '--work-dir', work_dir, *options]
    settings = [f'default_hooks.clock.file={clock}', f'default_hooks.clock.stop={stop}']
    began = time.time()
    ran = subprocess.run(
        [*map(str, command), '--cfg-options', *settings],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != (143 if stop else 0):
        raise SystemExit(f'{ran.stdout}\n{ran.stderr}')
    return began, {} if stop else json.loads(clock.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--videos', type=int, default=2000)
    parser.add_argument('--done', type=float, default=0.9, help='part of the epoch')
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    from tests.experiment import make_experiment

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = make_experiment(folder)
        lines = write_videos(folder / 'videos', args.videos)
        (folder / 'many.txt').write_text(''.join(lines))
        config = folder / 'many.py'
        config.write_text(
            f"_base_ = ['{experiment.random}']\n"
            "custom_imports = dict(imports=['projects.msta.register', 'tests.engine.measure'],\n"
            '                      allow_failed_imports=False)\n'
            "default_hooks = dict(clock=dict(type='Clock', file=''))\n"
            f"train_dataloader = dict(dataset=dict(ann_file='{folder}/many.txt'),\n"
            f'                        batch_size={BATCH}, num_workers={WORKERS})\n'
        )
        epoch = -(-args.videos // BATCH)
        stop = round(args.done * epoch)
        train(config, folder / 'stopped', stop=stop)
        sides: dict[str, list[tuple[float, float]]] = {'fresh': [], 'resumed': []}
        for number in range(args.rounds):
            for side, seconds in sides.items():
                work_dir = folder / f'{side}_{number}'
                if side == 'resumed':
                    shutil.copytree(folder / 'stopped', work_dir)
                began, noted = train(config, work_dir, *(['--resume'] * (side == 'resumed')))
                expected = stop if side == 'resumed' else 0
                if noted['iter'] != expected:
                    raise SystemExit(f'{side}: iteration {noted["iter"]} instead of {expected}')
                ready, stepped = noted['moments']
                seconds.append((stepped - began, stepped - ready))
        for number, what in enumerate(('from the command', 'from the loop, its loader starting,')):
            fresh, resumed = ([each[number] for each in seconds] for seconds in sides.values())
            ratio = statistics.median(b / a for a, b in zip(fresh, resumed, strict=True))
            print(
                f'{what} to the first step: {min(fresh):.2f} s fresh, {min(resumed):.2f} s resumed '
                f'after {stop} of {epoch} iterations of {BATCH} videos: {ratio:.2f} x '
                f'({args.rounds} rounds)'
            )


if __name__ == '__main__':
    main()
