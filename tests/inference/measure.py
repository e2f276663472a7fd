"""Measure inference and export, and print the figures of the documentation.

    python -m tests.inference.measure [--only throughput] [--videos FOLDER]

Takes a few minutes on two idle cores. ViCLIP-B/16 has random weights, which cost what trained ones
do. Sides that are compared take turns in one process; the best of several rounds counts.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from projects.msta import compat

compat.apply()

from projects.msta.apis import MSTAInferencer  # noqa: E402
from projects.msta.datasets.shapes.classes import BASE_ACTIONS  # noqa: E402
from projects.msta.datasets.shapes.folder import Clip, Recipe, write_video  # noqa: E402
from projects.msta.evaluation.timing import resident_mib  # noqa: E402
from projects.msta.foundation import build_foundation, save_foundation  # noqa: E402
from projects.msta.inference.export import export_model  # noqa: E402
from projects.msta.inference.inferencer import batched  # noqa: E402
from projects.msta.inference.long_videos import analyse  # noqa: E402
from projects.msta.inference.sources import iter_sources  # noqa: E402
from projects.msta.training import launch  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
HOUR_FPS = 5


def best_of(rounds, *sides):
    """Seconds of each side, the best of rounds in which they take turns."""
    seconds = [[] for _ in sides]
    for _ in range(rounds):
        for number, side in enumerate(sides):
            started = time.perf_counter()
            side()
            seconds[number].append(time.perf_counter() - started)
    return [min(values) for values in seconds]


def videos_of(folder, given):
    """The files of a folder, or Shapes clips made here."""
    if given is not None:
        return sorted(path for path in given.iterdir() if path.suffix == '.mp4')
    paths = []
    for number, action in enumerate(BASE_ACTIONS):
        clip = Clip(action, 'target', 'test', number)
        paths.append(folder / clip.path)
        write_video(paths[-1], clip.frames(Recipe()))
    return paths


def random_b16(folder):
    path = folder / 'viclip_b16_random.safetensors'
    if not path.exists():
        torch.manual_seed(0)
        save_foundation(build_foundation({'type': 'ViCLIP', 'arch': 'b16'}), path)
    return path


def models(folder):
    """Name and a maker of inferencers: the shipped model and the size of the paper."""
    config, weights = 'msta_vitb16_k400', random_b16(folder)
    yield 'tiny', lambda **more: MSTAInferencer(**more)
    yield 'B/16', lambda **more: MSTAInferencer(config, foundation=weights, **more)


def measure_equality(folder, given):
    paths = videos_of(folder, given)
    (folder / 'test.txt').write_text(''.join(f'{path} 0\n' for path in paths))
    config = str(ROOT / 'configs' / 'msta_tiny_shapes.py')
    options = {
        'test_dataloader.dataset.ann_file': folder / 'test.txt',
        'test_dataloader.dataset.data_prefix.video': '/',
        'test_dataloader.dataset.data_root': None,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
    }
    dump = folder / 'scores.pkl'
    launch.test(config, None, work_dir=folder / 'work', dump=dump, cfg_options=options)
    dumped = pickle.loads(dump.read_bytes())  # noqa: S301 - our own
    with MSTAInferencer('msta_tiny_shapes') as made:
        scores = [result.scores for result in made([str(path) for path in paths])]
    largest = max(
        float(np.abs(sample['pred_score'].numpy() - score).max())
        for sample, score in zip(dumped, scores, strict=True)
    )
    print(f'equality: {len(paths)} videos, scores of tools/test.py and MSTAInferencer differ by '
          f'at most {largest:.1e}')  # fmt: skip


def measure_throughput(folder, given):
    paths = [str(path) for path in videos_of(folder, given)]
    for name, make in models(folder):
        count = 8 if name == 'B/16' else 4 * len(paths)
        names = (paths * count)[:count]
        with make(labels='ucf101', device='cpu') as made:
            batches = [
                torch.stack([item.inputs for item in batch])
                for batch in batched(made.loader.load_all(iter_sources(names), 8), 8)
            ]
            bare, whole = best_of(
                ROUNDS,
                lambda made=made, batches=batches: [made.score(batch) for batch in batches],
                lambda made=made, names=names: made(names),
            )
            views = batches[0].shape[1]
            print(f'throughput, {name}: bare model {count / bare:.2f} videos/s of {views} views, '
                  f'from files {count / whole:.2f} ({bare / whole:.0%})')  # fmt: skip


def write_long(path, seconds):
    """A 320x240 video of the given length, five frames per second, written frame by frame."""
    codec = cv2.VideoWriter.fourcc(*'mp4v')
    writer = cv2.VideoWriter(str(path), codec, float(HOUR_FPS), (320, 240))
    ground = np.random.default_rng(0).integers(0, 160, (240, 320, 3), dtype=np.uint8)
    ground = cv2.GaussianBlur(ground, (31, 31), 0)
    for number in range(seconds * HOUR_FPS):
        frame = ground.copy()
        cv2.circle(frame, (number * 3 % 320, 120), 25, (40, 60, 250), -1)
        writer.write(frame)
    writer.release()


def report_memory(path):
    """In a process of its own: resident memory with the model loaded, and at most afterwards."""
    torch.set_num_threads(1)
    with MSTAInferencer(device='cpu') as made:
        before = resident_mib('VmRSS')
        started = time.perf_counter()
        timeline = analyse(made, path)
        seconds = time.perf_counter() - started
        print(f'{before:.0f} MB with the model loaded, {resident_mib("VmHWM"):.0f} MB at most; '
              f'{len(timeline.cells)} windows in {seconds:.0f} s')  # fmt: skip


def measure_memory(folder, given):
    for name, seconds in (('1 minute', 60), ('1 hour', 3600)):
        path = folder / 'long.mp4'
        write_long(path, seconds)
        command = [sys.executable, '-m', 'tests.inference.measure', '--memory-of', str(path)]
        ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        print(f'memory, video of {name}: {ran.stdout.strip().splitlines()[-1]}')


def measure_export(folder, given):
    import onnxruntime

    for name, make in models(folder):
        out = folder / f'export_{name.replace("/", "")}'
        with make(labels='ucf101', device='cpu') as made:
            parities = export_model(made, out)
            for parity in parities:
                print(f'export, {name}, {parity.graph}: differs by at most {parity.largest:.1e} on '
                      f'{parity.inputs} inputs')  # fmt: skip
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(
                str(out / 'video.onnx'), options, providers=['CPUExecutionProvider']
            )
            shape = session.get_inputs()[0].shape  # (B, T, H, W, 3)
            frames = np.random.default_rng(0).integers(0, 256, (4, *shape[1:]), dtype=np.uint8)
            inputs = torch.from_numpy(frames).permute(0, 4, 1, 2, 3)[:, None].contiguous()
            feed = {'frames': frames, 'classes': np.load(out / 'classes.npy')}
            ours, theirs = best_of(
                ROUNDS,
                lambda made=made, inputs=inputs: made.score(inputs),
                lambda session=session, feed=feed: session.run(None, feed),
            )
            print(f'export, {name}: 4 clips in {ours:.3f} s by PyTorch, {theirs:.3f} s by '
                  f'onnxruntime, which is {ours / theirs:.2f} x as fast')  # fmt: skip


def measure_readers(folder, given):
    """The same whole video as one window and as a file."""
    differences = []
    with MSTAInferencer(device='cpu') as made:
        for path in videos_of(folder, given):
            capture = cv2.VideoCapture(str(path))
            seconds = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
            capture.release()
            order = {label: number for number, label in enumerate(made.labels)}
            (cell, *_) = analyse(made, str(path), seconds, seconds, 1, topk=len(order)).cells
            (result,) = made(str(path))
            scores = np.zeros(len(order))
            scores[[order[label] for label in cell.labels]] = cell.probabilities
            differences.append(float(np.abs(scores - result.scores).max()))
    print(f'readers: {len(differences)} videos, files and single windows differ by '
          f'{np.median(differences):.1e} (median), {max(differences):.1e} at most')  # fmt: skip


MEASURES = {
    'equality': measure_equality,
    'throughput': measure_throughput,
    'memory': measure_memory,
    'export': measure_export,
    'readers': measure_readers,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', choices=MEASURES)
    parser.add_argument('--videos', type=Path, help='folder of mp4 files, instead of Shapes clips')
    parser.add_argument('--memory-of', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of is not None:
        return report_memory(args.memory_of)
    print(f'load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    for name in [args.only] if args.only else MEASURES:
        with tempfile.TemporaryDirectory() as folder:
            MEASURES[name](Path(folder), args.videos)
    return None


if __name__ == '__main__':
    main()
