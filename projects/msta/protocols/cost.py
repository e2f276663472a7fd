"""Training steps of several methods, timed: python -m projects.msta.protocols.cost JOBS.json

A step is the Runner's: preprocessing, losses, backward pass, update, on random clips of the size
the model takes. The process is started by ``costs``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..commands.common import run_tool
from ..files import write_json
from ..training.config import read_config
from .definitions import ProtocolError

_WARM_UP = 2


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('jobs', type=Path, help='JSON: configs by method, rounds, result')
    parser.add_argument('--memory-of', metavar='METHOD', help='print its peak memory, and end')
    return parser.parse_args(argv)


def measure(args: argparse.Namespace) -> None:
    """Time every method of the file, or give one's memory."""
    from benchmarks.timing import added_memory, relative, take_turns

    jobs = json.loads(args.jobs.read_text(encoding='utf-8'))
    device = _device()
    if args.memory_of:
        once = make_step(jobs['configs'][args.memory_of], jobs['amp'])[0]
        print(json.dumps({'peak_mib': added_memory(once, device)}))
        return
    memory = {name: _memory_of(args.jobs, name) for name in jobs['configs']}
    steps, batch = {}, 0
    for name, path in jobs['configs'].items():
        steps[name], batch = make_step(path, jobs['amp'])
    take_turns(steps, _WARM_UP, device)
    times = take_turns(steps, jobs['rounds'], device)
    ratios = relative(times, jobs['reference'])
    content = {
        'identity': jobs['identity'],
        'reference': jobs['reference'],
        'rounds': jobs['rounds'],
        'batch': batch,
        **_machine(device),
        'methods': {
            name: {
                'seconds': statistics.median(values),
                'time_ratio': ratios[name],
                'peak_mib': memory[name],
                'memory_ratio': memory[name] / memory[jobs['reference']],
            }
            for name, values in times.items()
        },
    }
    write_json(jobs['result'], content, indent=1)


def make_step(config: str, amp: bool) -> tuple[Callable[[], Any], int]:
    """One training step of a config's model on random clips, and its number of videos.

    The rate is 0: steps cost what they cost, and the weights stay where they are.
    """
    import torch
    from mmaction.registry import MODELS
    from mmaction.structures import ActionDataSample
    from mmaction.utils import register_all_modules
    from mmengine.optim import build_optim_wrapper
    from mmengine.utils import import_modules_from_strings

    from ..training.launch import use_mixed_precision

    cfg = read_config(config)
    if cfg.get('custom_imports'):
        import_modules_from_strings(**cfg.custom_imports)
    register_all_modules(init_default_scope=True)
    if amp:
        use_mixed_precision(cfg)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.to(_device()).train()
    cfg.optim_wrapper.optimizer.lr = 0.0
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    batch = cfg.train_dataloader.batch_size
    arch = model.backbone.foundation.arch
    shape = (1, 3, arch.num_frames, arch.image_size, arch.image_size)
    classes = len(model.labels)
    data = {
        'inputs': [torch.randint(0, 256, shape, dtype=torch.uint8) for _ in range(batch)],
        'data_samples': [ActionDataSample().set_gt_label(n % classes) for n in range(batch)],
    }
    return partial(model.train_step, data, wrapper), batch


def _memory_of(jobs: Path, name: str) -> float:
    """Peak memory in MiB, from a process that knows no other method."""
    command = [sys.executable, '-m', __spec__.name, str(jobs), '--memory-of', name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProtocolError(f'{name}: {done.stderr.strip()[-2000:]}')
    return float(json.loads(done.stdout.splitlines()[-1])['peak_mib'])


def _device() -> Any:
    import torch

    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def _machine(device: Any) -> dict[str, Any]:
    import torch

    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'
    return {'device': name, 'threads': torch.get_num_threads()}


if __name__ == '__main__':
    sys.exit(run_tool(measure, parse_args()))
