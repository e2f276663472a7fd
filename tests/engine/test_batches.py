"""The same batches from any number of workers and processes, and none read that is not needed."""

import json
import multiprocessing
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.dataset import ClassBalancedDataset, DefaultSampler, RepeatDataset
from mmengine.runner import Runner
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from projects.msta.engine.batches import (
    ResumeError,
    Sample,
    SeededBatches,
    SeededSamples,
    UnseedableLoaderError,
    seed_by_sample,
)
from tests.engine.toy_run import Points, make_config, record


def points(size: int = 12) -> Points:
    return Points(size=size, pipeline=[dict(type='Noise')])


def batches_of(size: int, batch_size: int) -> SeededBatches:
    sampler = DefaultSampler(range(size), seed=3)
    return SeededBatches(BatchSampler(sampler, batch_size, False), seed=3)


def recorded(work_dir: Path, workers: int, persistent: bool, batch_size: int = 4) -> list:
    cfg = make_config(work_dir, epochs=2, workers=workers)
    cfg.train_dataloader.update(persistent_workers=persistent, batch_size=batch_size)
    cfg.train_dataloader.dataset.size = 26
    if workers:
        cfg.train_dataloader.prefetch_factor = 4
    return record(Runner.from_cfg(cfg))


@pytest.fixture(scope='module')
def alone(tmp_path_factory) -> list:
    """What a process that reads for itself trains on."""
    return recorded(tmp_path_factory.mktemp('alone'), 0, False)


def test_every_sample_has_its_own_view(alone):
    views = [value for epoch in alone for inputs, _ in epoch for value in inputs]
    assert [len(epoch) for epoch in alone] == [7, 7]
    assert len(set(views)) == 2 * 26


@pytest.mark.parametrize(('workers', 'persistent'), [(1, True), (3, True), (3, False)])
def test_workers_give_the_same_batches(tmp_path, alone, workers, persistent):
    """And leave the process's own draws alone, whether they start once or in every epoch."""
    assert recorded(tmp_path, workers, persistent) == alone


def _train_as(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', f'file://{folder}/meeting', rank=rank, world_size=2)
    epochs = recorded(folder / str(rank), 2, True, batch_size=2)
    (folder / f'{rank}.json').write_text(json.dumps(epochs))


def test_two_processes_give_the_same_global_batches(tmp_path, alone):
    context = multiprocessing.get_context('fork')
    ranks = [context.Process(target=_train_as, args=(rank, tmp_path)) for rank in range(2)]
    for each in ranks:
        each.start()
    for each in ranks:
        each.join(240)
        assert each.exitcode == 0
    first, second = (json.loads((tmp_path / f'{rank}.json').read_text()) for rank in range(2))
    together = [
        [sorted(mine[0] + theirs[0]) for mine, theirs in zip(*epochs, strict=True)]
        for epochs in zip(first, second, strict=True)
    ]
    assert together == [[sorted(inputs) for inputs, _ in epoch] for epoch in alone]


def test_a_sample_draws_from_seed_epoch_and_index_alone():
    samples = SeededSamples(points())
    draw = lambda *sample: samples[Sample(*sample)]['inputs'][0].item()  # noqa: E731
    first = draw(1, 2, 4)
    torch.rand(5), np.random.rand(3), random.random()  # noqa: NPY002
    assert draw(1, 2, 4) == first
    assert len({first, draw(0, 2, 4), draw(1, 3, 4), draw(1, 2, 6)}) == 4


def test_reading_leaves_the_process_draws_alone():
    def draws() -> list[float]:
        return [torch.rand(()).item(), np.random.rand(), random.random()]  # noqa: NPY002

    samples = SeededSamples(points())
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(5)
    undisturbed = draws()
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(5)
    samples[Sample(1, 2, 3)]
    assert draws() == undisturbed


@pytest.mark.parametrize('wrap', ['repeat', 'balance'])
def test_a_repeated_video_has_another_view_each_time(wrap):
    inner = points()
    if wrap == 'repeat':
        repeated = RepeatDataset(inner, times=3)
    else:
        inner.get_cat_ids = lambda idx: [int(idx == 5)]
        repeated = ClassBalancedDataset(inner, oversample_thr=0.5)
        assert repeated.repeat_indices.count(5) > 1
    samples = SeededSamples(repeated)
    values = [samples[Sample(1, 0, index)]['inputs'][0].item() for index in range(len(repeated))]
    assert len(set(values)) == len(repeated) > 12


def test_an_epoch_that_was_begun_keeps_its_number():
    """As when its last batches are asked for, ahead of their use, after the next was announced."""
    batches = batches_of(12, 4)
    batches.epoch = 1
    running = iter(batches)
    next(running)
    batches.epoch = 2
    assert {sample.epoch for batch in running for sample in batch} == {1}
    assert {sample.epoch for batch in batches for sample in batch} == {2}


def test_it_begins_anywhere_and_knows_what_came_before():
    batches = batches_of(13, 4)
    whole = list(batches)
    order = batches.order(2)
    batches.begin_at(2, order)
    assert list(batches) == whole[2:] and len(batches) == 2
    assert [batches.order(count) for count in (0, 2)] == [0, order]
    others = batches_of(13, 4)
    others.batches.sampler.set_epoch(1)
    others.begin_at(2, order)
    with pytest.raises(ResumeError, match='the first 2 batches of that epoch are now others'):
        next(iter(others))


def test_wrapped_data_sets_look_as_before():
    loader = Runner.build_dataloader(
        dict(dataset=points(), batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler'))
    )
    plain = loader.dataset
    batches = seed_by_sample(loader, 1)
    assert seed_by_sample(loader, 1) is batches
    assert loader.dataset.metainfo == plain.metainfo and len(loader.dataset) == 12
    assert loader.dataset[3].keys() == plain[3].keys()
    assert len(pickle.loads(pickle.dumps(loader.dataset))) == 12  # noqa: S301 - our own
    assert len(loader) == 3 and batches.batch_size == 4


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(4))


@pytest.mark.parametrize(
    'loader', [DataLoader(Stream(), batch_size=2), DataLoader(range(4), batch_size=None)]
)
def test_what_has_no_indices_is_refused(loader):
    with pytest.raises(UnseedableLoaderError, match='not read in batches of indices'):
        seed_by_sample(loader, 1)


def test_a_loop_without_epochs_is_refused(tmp_path):
    cfg = make_config(tmp_path)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=8, val_interval=100)
    cfg.param_scheduler = []
    with pytest.raises(UnseedableLoaderError, match='IterBasedTrainLoop has no epochs'):
        Runner.from_cfg(cfg).train()
