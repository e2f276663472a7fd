"""Time and memory of a training step of each method, measured once and kept.

A step is the Runner's: preprocessing, losses, backward pass, update, on random clips of the size
the model takes. It is timed in a process of its own, which alone loads torch:
python -m projects.msta.protocols.costs JOBS.json
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..files import write_json
from ..training.config import read_config
from .definitions import ProtocolError
from .manifest import digest_of, package_versions, read_json, training_identity
from .plan import Plan
from .processes import Processes, in_process, locked, say
from .run import dump_config

_WARM_UP = 2


def measure_costs(plans: Mapping[str, Plan], folder: Path, rounds: int) -> dict[str, Any]:
    """Measure ``rounds`` training steps of each method in one process, its memory in another.

    Times are relative to MSTA's, or to the first method's without it. Taken from costs.json where
    that is of the same.
    """
    amp = next(iter(plans.values())).request.amp
    configs = {name: plan.runs[0].config for name, plan in plans.items()}
    identities = [[name, training_identity(cfg, 1)] for name, cfg in configs.items()]
    identity = digest_of([rounds, amp, package_versions(), identities])
    path = folder / 'costs.json'
    costs = read_json(path) or {}
    if costs.get('identity') == identity:
        return costs
    say(f'time and memory of a step of {len(plans)} methods')
    files = {name: folder / 'configs' / f'{name}.py' for name in configs}
    for name, cfg in configs.items():
        dump_config(cfg, files[name])
    job = {
        'configs': {name: str(file) for name, file in files.items()},
        'reference': 'msta' if 'msta' in files else next(iter(files)),
        'rounds': rounds,
        'amp': amp,
        'result': str(path),
        'identity': identity,
    }
    with locked(folder) as lock:
        jobs = folder / 'costs_jobs.json'
        write_json(jobs, job, indent=1)
        Processes().run('costs', [jobs], 0, folder / 'costs.log', lock, 'time and memory')
    return read_json(path) or {}


def time_steps(
    configs: Mapping[str, str], reference: str, rounds: int, amp: bool, result: str, identity: str
) -> None:
    """Time every method's step, the methods taking turns, and write ``result``."""
    import torch

    from ..evaluation.timing import relative, take_turns

    device = _device()
    memory = {name: memory_apart(path, amp) for name, path in configs.items()}
    steps, batch = {}, 0
    for name, path in configs.items():
        steps[name], batch = make_step(path, amp)
    take_turns(steps, _WARM_UP, device)
    times = take_turns(steps, rounds, device)
    ratios = relative(times, reference)
    content = {
        'identity': identity,
        'reference': reference,
        'rounds': rounds,
        'batch': batch,
        'device': torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU',
        'threads': torch.get_num_threads(),
        'methods': {
            name: {
                'seconds': statistics.median(values),
                'time_ratio': ratios[name],
                'peak_mib': memory[name],
                'memory_ratio': memory[name] / memory[reference],
            }
            for name, values in times.items()
        },
    }
    write_json(result, content, indent=1)


def make_step(config: str, amp: bool) -> tuple[Callable[[], Any], int]:
    """One training step of a config's model on random clips, and its number of videos.

    The rate is 0: steps cost what they cost, and the weights stay where they are.
    """
    import torch
    from mmaction.registry import MODELS
    from mmaction.structures import ActionDataSample
    from mmaction.utils import register_all_modules
    from mmengine.optim import build_optim_wrapper

    from ..training.launch import import_parts, use_mixed_precision

    cfg = read_config(config)
    import_parts(cfg)
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


def memory_apart(config: str, amp: bool) -> float:
    """Peak memory in MiB that a step adds, from a process that knows no other method."""
    code = f'from {__spec__.parent}.costs import print_memory; print_memory({config!r}, {amp!r})'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProtocolError(f'{config}: {done.stderr.strip()[-2000:]}')
    return float(json.loads(done.stdout.splitlines()[-1]))


def print_memory(config: str, amp: bool) -> None:
    """Print what a step adds at most to the memory of the loaded model, in MiB."""
    from ..evaluation.timing import added_memory

    print(json.dumps(added_memory(make_step(config, amp)[0], _device())))


def _device() -> Any:
    import torch

    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')


if __name__ == '__main__':
    in_process(time_steps)
