"""The measurements of start-up and input measure what they say."""

from projects.msta.apis import input_speed, startup


def test_help_of_a_tool_is_timed():
    tool = next(path for path in startup.tools() if path.name == 'train.py')
    seconds, work = startup.help_seconds(tool, 1)
    assert 0 < work < 1  # processor time: other programs do not count
    assert seconds > 0
    assert '| tools/train.py --help |' in startup.table(1, None, [tool])


def test_training_is_timed_to_its_first_iteration(experiment):
    seconds, work = startup.first_iteration_seconds(experiment.fixed)
    # Loading the packages alone takes seconds; a whole training would be waited for no longer.
    assert min(seconds, work) > 1


def test_input_is_compared_with_bare_decord():
    rows = input_speed.measure(rounds=1, videos=1)
    assert rows['bare decord, 1 thread']['ratio'] == 1
    # It decodes the same frames, and does more with them.
    assert rows['the whole training pipeline']['ms'] > 0.5 * rows['bare decord, 1 thread']['ms']
    assert len(input_speed.table(rows).splitlines()) == 2 + len(rows)
    loaders = input_speed.measure_workers(rounds=1, clips=8, settings=[(1, 2), (2, 2)])
    assert all(row['clips/s'] > 0 for row in loaders.values())
    assert '| 1 worker, prefetch 2 |' in input_speed.table(loaders)
