"""A long training: memory and open files stay as they are."""

import json
import os
from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.hooks import Hook

from projects.msta.commands import train as train_tool
from tests.chaos.processes import Course, descendants, in_child

MOST_SEC = 1800.0


@HOOKS.register_module(force=True)
class CourseHook(Hook):
    """Samples the training process, its loaders and their decoders; writes what it found."""

    def __init__(self, every: int, out: str) -> None:
        self.every, self.out = every, Path(out)

    def before_train(self, runner) -> None:
        self.course: Course | None = None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.course is None:
            self.course = Course((os.getpid(), *descendants(os.getpid())))
        if batch_idx % self.every == 0:
            self.course.sample()
            self.out.write_text(json.dumps(vars(self.course)))


def test_memory_and_open_files_stay_flat_over_many_iterations(chaos, experiment, tmp_path):
    count = chaos.times(200, 2000)
    lines = (experiment.folder / 'list.txt').read_text().splitlines()
    rows = (lines * (2 * count // len(lines) + 1))[: 2 * count]
    (tmp_path / 'list.txt').write_text('\n'.join(rows))
    usual = [str(experiment.random), '--work-dir', str(tmp_path / 'work'), '--no-validate']
    options = [f'train_dataloader.dataset.ann_file={tmp_path / "list.txt"}']
    options += ['train_cfg.max_epochs=1']
    config = tmp_path / 'config.py'
    hook = dict(type='CourseHook', every=max(1, count // 40), out=str(tmp_path / 'course.json'))
    config.write_text(f'_base_ = {usual[0]!r}\ncustom_hooks = [{hook!r}]\n')
    args = [str(config), *usual[1:], '--cfg-options', *options]
    fault = 'memory and open files over training iterations'
    with chaos.attempt(fault, times=count) as attempt:
        log = tmp_path / 'log'
        ending = in_child(lambda: train_tool.main(args), log, MOST_SEC)
        assert ending == 'status 0', log.read_text()[-3000:]
        course = Course(**json.loads((tmp_path / 'course.json').read_text()))
        attempt.seen = f'{count} iterations, {len(course.pids)} processes: {course}'
        assert len(course.pids) >= 3  # the training, a loader, its decoder
        assert course.growth_mib < 12, course
        # A sample may meet no moment without a batch on its way; 200 iterations read 400 videos.
        assert course.more_files <= 2, course
