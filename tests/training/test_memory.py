"""A step that needs more memory than there is ends with what to try, not with `Killed`."""

import os
import resource
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from projects.msta.paths import ROOT
from projects.msta.training import memory

CFG = Config(dict(train_dataloader=dict(batch_size=8)))


def test_the_batch_and_what_to_try_are_said(monkeypatch):
    monkeypatch.setattr(memory, 'free_memory', lambda: 3 * 2**30)
    with (
        pytest.raises(memory.MemoryBudgetError) as error,
        memory.enough_memory(CFG),
    ):
        raise torch.OutOfMemoryError('x')
    said = str(error.value)
    assert 'a step of 8 videos' in said and 'recompute=True' in said
    assert 'batch_size=4 with optim_wrapper.accumulative_counts=2' in said
    with pytest.raises(RuntimeError, match='shapes'), memory.enough_memory(CFG):
        raise RuntimeError('shapes do not fit')


@pytest.mark.skipif(torch.cuda.is_available(), reason='the limit is for training on a CPU')
def test_more_than_is_free_is_refused_and_the_limit_is_lifted_after_it():
    code = (
        'import resource, torch\n'
        'from mmengine.config import Config\n'
        'from projects.msta.training import memory\n'
        'memory.free_memory = lambda: 300 * 2**20\n'
        'cfg = Config(dict(train_dataloader=dict(batch_size=8)))\n'
        'before = resource.getrlimit(resource.RLIMIT_DATA)\n'
        'try:\n'
        '    with memory.enough_memory(cfg):\n'
        '        small = torch.ones(2**20)\n'
        '        held = [torch.ones(2**24) for _ in range(20)]\n'
        'except memory.MemoryBudgetError as error: print(error)\n'
        'assert resource.getrlimit(resource.RLIMIT_DATA) == before\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert 'a step of 8 videos needs more than the 0.3 GiB' in done.stdout, done


def test_free_memory_is_no_more_than_the_machines():
    pages, size = resource.getpagesize(), memory.free_memory()
    if size is None:
        pytest.skip('this system does not tell')
    assert 0 <= size <= pages * os.sysconf('SC_PHYS_PAGES')


def test_a_group_of_processes_has_less_but_what_it_keeps_of_files_is_free(tmp_path):
    (tmp_path / 'memory.max').write_text('1000000\n')
    (tmp_path / 'memory.current').write_text('700000\n')
    (tmp_path / 'memory.stat').write_text('anon 300000\nactive_file 100000\ninactive_file 300000\n')
    assert memory.free_memory(tmp_path) == 700000
    (tmp_path / 'memory.max').write_text('max\n')
    assert memory.free_memory(tmp_path) > 700000
