"""Several tests of one model in one process: python -m projects.msta.protocols.evaluate JOBS.json

A test is what ``tools/test.py`` does with the same config and checkpoint. The process is started
by ``run``, alone or as one of many.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_json
from .definitions import ProtocolError
from .manifest import class_names
from .processes import in_process


def evaluate(launcher: str, tests: Sequence[Mapping[str, Any]]) -> None:
    """Run every test; each result is written, whole, as soon as it is there.

    ``tests`` are as ``run`` lays them out; ``launcher`` is what started this process among others,
    'none' where it runs alone.

    Raises:
        ProtocolError: Tests failed, naming each; the others are done.
    """
    failures = []
    for test in tests:
        try:
            _evaluate_one(test, launcher)
        except Exception as error:
            # One of many processes cannot go on alone.
            if launcher != 'none':
                raise
            traceback.print_exc()
            failures.append(f'{test["config"]}: {type(error).__name__}: {error}')
    if failures:
        raise ProtocolError('\n'.join(failures))


def _evaluate_one(test: Mapping[str, Any], launcher: str) -> None:
    from ..engine.wrapped import unwrap
    from ..training.launch import import_parts, make_test_config
    from ..training.runners import running

    started = time.perf_counter()
    result = Path(test['result'])
    measured = result.with_name(f'.{result.stem}.measured.json')
    cfg = make_test_config(
        test['config'], test['checkpoint'], work_dir=test['work_dir'], launcher=launcher
    )
    for evaluator in cfg.test_evaluator:
        if evaluator['type'] == 'MSTAMetric':
            evaluator.update(labels=class_names(cfg), out_file=str(measured))
    import_parts(cfg)
    with running(cfg) as runner:
        model = unwrap(runner.model)
        model.init_weights()
        runner.test()
    if runner.rank == 0:
        content = json.loads(measured.read_text(encoding='utf-8'))
        content |= {
            'identity': test['identity'],
            'fingerprint': model.backbone.fingerprint,
            'trainable_parameters': model.backbone.num_parameters()[0],
            'classes': model.labels,
            'config': test['config'],
            'checkpoint': test['checkpoint'],
            'seconds': round(time.perf_counter() - started, 1),
        }
        write_json(result, content, indent=1)
        measured.unlink()


if __name__ == '__main__':
    in_process(evaluate)
