"""Several tests of one model in one process: python -m projects.msta.protocols.evaluate JOBS.json

A test is what ``tools/test.py`` does with the same config and checkpoint. The process is started
by ``run``, alone or as one of many.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from ..commands.common import explain, run_tool
from ..files import write_json
from .definitions import ProtocolError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('jobs', type=Path, help='JSON list of configs, checkpoints and results')
    parser.add_argument('--launcher', choices=['none', 'pytorch'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser.parse_args(argv)


def evaluate(args: argparse.Namespace) -> None:
    """Run every job of the file; each result is written, whole, as soon as it is there."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    failures = []
    for number, job in enumerate(json.loads(args.jobs.read_text(encoding='utf-8'))):
        try:
            _evaluate_one(job, args.launcher, number)
        except Exception as error:
            message = explain(error)
            # One of many processes cannot go on alone.
            if message is None or args.launcher != 'none':
                raise
            failures.append(f'{job["config"]}: {message}')
    if failures:
        raise ProtocolError('\n'.join(failures))


def _evaluate_one(job: dict[str, Any], launcher: str, number: int) -> None:
    from mmengine.utils import import_modules_from_strings

    from ..training.launch import make_test_config
    from ..training.runners import running, unwrap

    started = time.perf_counter()
    result = Path(job['result'])
    measured = result.with_name(f'.{result.stem}.measured.json')
    cfg = make_test_config(
        job['config'], job['checkpoint'], work_dir=job['work_dir'], launcher=launcher
    )
    # The Runners of a process share what has the same name.
    cfg.experiment_name = f'{result.stem}_{os.getpid()}_{number}'
    for evaluator in cfg.test_evaluator:
        if evaluator['type'] == 'MSTAMetric':
            evaluator.update(labels=_class_names(cfg), out_file=str(measured))
    if cfg.get('custom_imports'):
        import_modules_from_strings(**cfg.custom_imports)
    with running(cfg) as runner:
        model = unwrap(runner.model)
        model.init_weights()
        runner.test()
    if runner.rank == 0:
        content = json.loads(measured.read_text(encoding='utf-8'))
        content |= {
            'identity': job['identity'],
            'fingerprint': model.backbone.fingerprint,
            'trainable_parameters': model.backbone.num_parameters()[0],
            'classes': model.labels,
            'config': job['config'],
            'checkpoint': job['checkpoint'],
            'seconds': round(time.perf_counter() - started, 1),
        }
        write_json(result, content, indent=1)
        measured.unlink()


def _class_names(cfg: Any) -> list[str]:
    from ..labels import read_labels

    return read_labels(cfg.model.labels, cfg.model.get('humanize', False))


if __name__ == '__main__':
    sys.exit(run_tool(evaluate, parse_args()))
