"""The measurements of the input measure what they say."""

from benchmarks import input_speed


def test_input_is_compared_with_the_decoder_alone():
    rows = input_speed.measure(rounds=1, videos=1)
    assert rows[input_speed.ALONE]['ratio'] == 1
    # It decodes the same frames, and does more with them.
    assert rows['the whole training pipeline']['CPU ms'] > 0.5 * rows[input_speed.ALONE]['CPU ms']
    assert len(input_speed.table(rows).splitlines()) == 2 + len(rows)
    loaders = input_speed.measure_workers(rounds=1, clips=8, settings=[(1, 2), (2, 2)])
    assert all(row['clips/s'] > 0 for row in loaders.values())
    assert '| 1 worker, prefetch 2 |' in input_speed.table(loaders)
