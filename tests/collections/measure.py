"""Measure collections, and print the figures of the documentation.

    python -m tests.collections.measure [--only search|throughput|ray|memory] [--videos FOLDER]

Sides that are compared take turns in one process. Without a folder the videos are Shapes clips made
here. Memory is that of this process; the processes that decode come on top.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray

from projects.msta.collections import embeddings
from projects.msta.collections.local import read_ahead, run_locally
from projects.msta.collections.output import open_output
from projects.msta.collections.reading import Job, Reader, Reading
from projects.msta.collections.recognizing import Recognizer
from projects.msta.collections.rows import embedding_column, make_schema
from projects.msta.collections.run import label_collection
from projects.msta.datasets.shapes.classes import BASE_ACTIONS
from projects.msta.datasets.shapes.folder import Clip, Recipe, write_video
from projects.msta.evaluation.timing import resident_mib
from projects.msta.foundation import build_foundation, save_foundation
from projects.msta.inference.inferencer import MSTAInferencer
from projects.msta.inference.recognizers import model_identity

LABELS = ['a square moves to the left', 'a circle grows']
WIDTH = 512
ROWS, PER_SHARD = 1_000_000, 50_000
ROUNDS = 3


def measure_search(folder, _):
    """10^6 random embeddings of D = 512 against 400 labels, and a sentence."""
    weights = folder / 'foundation.safetensors'
    arch = dict(image_size=16, patch_size=8, width=32, layers=2, heads=2, embed_dim=WIDTH)
    arch |= dict(text_width=64, text_layers=2, text_heads=2, context_length=32, num_frames=4)
    save_foundation(build_foundation(dict(type='ViCLIP', arch=arch)), weights)
    model = dict(config=weights, labels='kinetics400', device='cpu')
    with MSTAInferencer(**model) as inferencer:
        identity = model_identity(inferencer.model.backbone)
    schema, rng = make_schema(WIDTH), np.random.default_rng(0)
    answered = np.ones(PER_SHARD, dtype=bool)
    with open_output(folder / 'stored', {**identity, 'embeddings': True}) as output:
        for shard in range(ROWS // PER_SHARD):
            values = rng.standard_normal((PER_SHARD, WIDTH), np.float32)
            values /= np.linalg.norm(values, axis=1, keepdims=True)
            first = shard * PER_SHARD
            index = np.arange(first, first + PER_SHARD)
            columns = {
                'index': pa.array(index),
                'path': pa.array([f'{number}.mp4' for number in index]),
                'embedding': embedding_column(values, answered),
            }
            rest = {f.name: pa.nulls(PER_SHARD, f.type) for f in schema if f.name not in columns}
            output.write(shard, [pa.table({**rest, **columns}).select(schema.names).cast(schema)])
    stored = sum(path.stat().st_size for path in (folder / 'stored').glob('*.parquet'))
    print(f'{ROWS} embeddings of {WIDTH}: {stored / 2**20:.0f} MiB of shards')
    for number in range(ROUNDS):
        sides = {
            'scored against 400 labels': lambda out: embeddings.score_embeddings(
                folder / 'stored', out, model=model
            ),
            '20 nearest to a sentence': lambda _: embeddings.find_clips(
                folder / 'stored', ['a man rides a horse'], model=model, top=20
            ),
        }
        for name, work in sides.items():
            before = resident_mib('VmRSS')
            started, worked = time.perf_counter(), time.process_time()
            work(folder / f'scored{number}')
            seconds, busy = time.perf_counter() - started, time.process_time() - worked
            after, peak = resident_mib('VmRSS'), resident_mib('VmHWM')
            print(
                f'{name}: {seconds:.1f} s, {busy:.1f} s of CPU; {before:.0f} MiB before, '
                f'{after:.0f} after, peak {peak:.0f}',
                flush=True,
            )


def clips_of(folder, given):
    """Files of a folder, at any depth, or Shapes clips made here."""
    if given is not None:
        return sorted(path for path in given.rglob('*') if path.suffix in ('.mp4', '.avi'))
    for number, action in enumerate(BASE_ACTIONS):
        clip = Clip(action, 'target', 'test', number)
        write_video(folder / f'{number}.mp4', clip.frames(Recipe()))
    return sorted(folder.glob('*.mp4'))


def write_list(path, videos, count):
    path.write_text(''.join(f'{videos[i % len(videos)]}\n' for i in range(count)))
    return path


def measure_throughput(folder, given):
    """One process on files, beside reading alone and the model alone on frames in memory."""
    listed = write_list(folder / 'list.txt', clips_of(folder, given), 192)
    addresses = listed.read_text().splitlines()
    compare_sides('tiny', dict(labels=LABELS), addresses)
    # The size of ViCLIP-B but for larger patches, with random weights, which cost what trained do.
    arch = dict(image_size=224, patch_size=32, width=768, layers=12, heads=12, embed_dim=WIDTH)
    arch |= dict(text_width=64, text_layers=2, text_heads=2, context_length=32, num_frames=8)
    weights = folder / 'b32.safetensors'
    save_foundation(build_foundation(dict(type='ViCLIP', arch=arch)), weights)
    compare_sides('B/32', dict(config=weights, labels=LABELS), addresses[:16], rounds=2)


def compare_sides(name, model, addresses, rounds=ROUNDS):
    recognizer = Recognizer({**model, 'device': 'cpu', 'batch_size': 8})
    reader = Reader(Reading(recognizer.inferencer.pipeline, '/', 8, None, None))
    jobs = [Job(0, i // 8, i, addresses[i : i + 8]) for i in range(0, len(addresses), 8)]
    parts = [part for job in jobs for part in reader.read(job)]
    assert not [clip.error for part in parts for clip in part.clips if clip.error]
    sides = {
        'files': lambda: list(run_locally(jobs, reader, recognizer)),
        'reading': lambda: list(read_ahead(jobs, reader, 2)),
        'model': lambda: [recognizer.recognise(part) for part in parts],
    }
    seconds = {side: [] for side in sides}
    for _ in range(rounds):
        for side, work in sides.items():
            started = time.perf_counter()
            work()
            seconds[side].append(time.perf_counter() - started)
    reader.close()
    rate = {side: len(addresses) / min(values) for side, values in seconds.items()}
    print(
        f'{name}: {rate["files"]:.1f} videos per second from files, the model {rate["model"]:.1f} '
        f'on frames in memory ({rate["files"] / rate["model"]:.0%}), readers alone '
        f'{rate["reading"]:.1f} ({rate["files"] / rate["reading"]:.0%})',
        flush=True,
    )


class Clock:
    """Notes when shards are finished."""

    def __init__(self):
        self.seconds, self.videos = [], []

    def __call__(self, videos):
        self.seconds.append(time.perf_counter())
        self.videos.append(videos)

    def rate(self):
        """Videos a second after the first shard, by when every process has started."""
        return sum(self.videos[1:]) / (self.seconds[-1] - self.seconds[0])


def measure_ray(folder, given):
    """Ray with two recognizers and with one, each with as many readers, beside one process."""
    # Ray's workers give way to whatever else runs on the machine, unless told otherwise.
    os.environ.setdefault('RAY_worker_niceness', '0')
    videos, shard = clips_of(folder, given), 100
    listed = write_list(folder / 'list.txt', videos, 6 * shard)
    common = dict(model=dict(labels=LABELS, device='cpu'), shard_size=shard)
    sides = {
        'one process, one reader': dict(readers=1),
        'Ray, one recognizer, one reader': dict(engine='ray', recognizers=1, readers=1),
        'Ray, two recognizers, two readers': dict(engine='ray', recognizers=2, readers=2),
    }
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    for name, side in sides.items():
        out, clock = folder / name.replace(' ', ''), Clock()
        done = label_collection(listed, out, **common, **side, progress=clock)
        assert not done.errors
        print(f'{name}: {clock.rate():.1f} videos per second', flush=True)
    ray.shutdown()


def measure_memory(folder, given):
    """Memory of one process while it goes through many videos."""
    videos, count = clips_of(folder, given), 20_000
    listed = write_list(folder / 'list.txt', videos, count)
    sizes, shard = [], 250

    def note(_):
        sizes.append(resident_mib('VmRSS'))
        if len(sizes) % 10 == 0:
            print(f'{shard * len(sizes)} videos: {sizes[-1]:.0f} MiB', flush=True)

    model = dict(labels=LABELS, device='cpu')
    done = label_collection(
        listed, folder / 'out', model=model, shard_size=shard, embeddings=True, progress=note
    )
    print(f'{done.videos} videos, {done.errors} failed, {done.seconds:.0f} s')


MEASURES = {
    'search': measure_search,
    'throughput': measure_throughput,
    'ray': measure_ray,
    'memory': measure_memory,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', choices=MEASURES)
    parser.add_argument('--videos', type=Path)
    args = parser.parse_args()
    for name, measure in MEASURES.items():
        if args.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder), args.videos)


if __name__ == '__main__':
    main()
