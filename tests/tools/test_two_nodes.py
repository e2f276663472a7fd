"""tools/dist_train.sh and tools/dist_test.sh on two nodes: two launchers that meet on loopback."""

import pickle
import re
import subprocess

import pytest

from projects.msta.training import launch
from projects.msta.training.nodes import facts_of
from tests.experiment import options_of
from tests.tools.test_train_and_test import (
    accuracy,
    free_port,
    largest_difference,
    last_checkpoint,
    train,
)

EPOCHS = 2


def run(experiment, nodes: int, *arguments: object, differ: tuple[str, str] = ('', '')):
    """Launch a tool on every node; status and output of each. ``differ``: one more option."""
    env = {'PORT': free_port(), 'NNODES': str(nodes)}
    launchers = [
        subprocess.Popen(
            experiment.command(*arguments, *filter(None, [differ[rank]])),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options_of({'env': {**env, 'NODE_RANK': str(rank)}}),
        )
        for rank in range(nodes)
    ]
    try:
        said = [launcher.communicate(timeout=240)[0] for launcher in launchers]
    finally:
        for launcher in launchers:
            launcher.kill()
    return [(each.returncode, text) for each, text in zip(launchers, said, strict=True)]


def train_on(experiment, work_dir, nodes: int, **options):
    """Train in two processes of one video, which make the same batches as one of two."""
    settings = ['train_dataloader.batch_size=1', f'train_cfg.max_epochs={EPOCHS}']
    arguments = [experiment.fixed, 2 // nodes, '--work-dir', work_dir, '--cfg-options', *settings]
    return run(experiment, nodes, 'dist_train.sh', *arguments, **options)


def test_two_nodes_train_and_test_like_one_and_like_one_process(experiment, tmp_path):
    train(experiment.fixed, tmp_path / '0', epochs=EPOCHS)
    for nodes in (1, 2):
        done = train_on(experiment, tmp_path / f'{nodes}', nodes)
        assert [status for status, _ in done] == [0] * nodes, done
    alone, one, two = (
        last_checkpoint(tmp_path / name, EPOCHS)['state_dict'] for name in ('0', '1', '2')
    )
    # The same two processes on the same halves of each batch: the same sums, bit for bit.
    assert largest_difference(one, two) == 0
    # Gradients are averaged over the processes instead of the batch: rounding, grown over 8 steps.
    assert largest_difference(alone, two) < 1e-4

    checkpoint, dump = tmp_path / '2' / f'epoch_{EPOCHS}.pth', tmp_path / 'two.pkl'
    arguments = [experiment.fixed, checkpoint, 1, '--work-dir', tmp_path / 'test', '--dump', dump]
    done = run(experiment, 2, 'dist_test.sh', *arguments, '--cfg-options', 'log_level=INFO')
    assert [status for status, _ in done] == [0, 0], done
    (found,) = set(re.findall(r'acc/top1: ([\d.]+)', done[0][1]))
    expected = accuracy(experiment.fixed, checkpoint, tmp_path / 'alone')
    assert float(found) == pytest.approx(expected, abs=5e-5)
    assert len(pickle.loads(dump.read_bytes())) == 7  # noqa: S301 - our own


def test_nodes_that_are_set_to_different_things_are_refused(experiment, tmp_path):
    differ = ('', 'model.cls_head.alpha=0.5')
    for status, said in train_on(experiment, tmp_path, 2, differ=differ):
        assert status == 2 and 'Traceback' not in said
        assert 'model.cls_head.alpha: 1.0 != 0.5' in said
    assert not list(tmp_path.rglob('*.pth'))


def test_paths_may_differ_and_contents_may_not(experiment, tmp_path):
    other = tmp_path / 'other.txt'
    other.write_bytes((experiment.folder / 'list.txt').read_bytes())
    option = 'train_dataloader.dataset.ann_file'

    def facts(**options):
        cfg = launch.make_train_config(experiment.fixed, work_dir=tmp_path, cfg_options=options)
        return {key: compared for key, (compared, _) in facts_of(cfg).items()}

    usual = facts()
    assert facts(**{option: str(other)}) == usual
    other.write_text('another list\n')
    changed = facts(**{option: str(other)})
    assert {key for key in usual if changed[key] != usual[key]} == {option}


def test_a_node_that_does_not_come_is_one_line(experiment):
    for rank in '01':
        env = {'PORT': free_port(), 'NNODES': '2', 'NODE_RANK': rank}
        env |= {'PET_RDZV_CONF': 'timeout=1'}
        done = experiment.tool('dist_train.sh', experiment.fixed, 1, env=env)
        waiting, error = done.stderr.splitlines()
        assert waiting.startswith(f'node {rank} of 2: waiting') and done.returncode == 2
        assert error.startswith(f'error: node {rank} of 2 did not meet the others at 127.0.0.1:')
        assert 'NNODES' in error and 'timeout=SECONDS' in error
