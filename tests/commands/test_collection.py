"""tools/collection.py as a user runs it."""

import json

import pytest

from tests.collections.helpers import rows_of, write_list


def test_label_then_score_then_find(run, tiny, tmp_path):
    model = ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    given = [write_list(tiny, tmp_path), '--out', tmp_path / 'out', *model, '--embeddings']
    status, out, _ = run('collection.py', *given, '--shard-size', 4, '--labels', 'red, green')
    assert status == 1 and '6 videos in 2 shards' in out and '0 done before, 1 failed' in out
    again = ['--from-embeddings', tmp_path / 'out', *model]
    status, out, _ = run('collection.py', *again, '--out', tmp_path / 'b', '--labels', 'blue, grey')
    assert status == 1 and '6 rows in 2 shards' in out
    assert {row['label'] for row in rows_of(tmp_path / 'b')} <= {'blue', 'grey', None}
    status, out, _ = run('collection.py', *again, '--sentence', 'a fence', '--top', 2)
    found = json.loads(out)
    assert status == 0 and len(found) == 2 and found[0]['cosine'] >= found[1]['cosine']


def test_errors_are_one_line(run, tiny, tmp_path):
    status, _, err = run('collection.py', tmp_path / 'gone.txt', '--out', tmp_path / 'out')
    assert status == 2 and err.count('\n') == 1 and 'gone.txt' in err


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--out', 'x'], 'give either LIST or --from-embeddings'),
        (['list.txt'], 'give --out FOLDER'),
        (['list.txt', '--out', 'x', '--sentence', 'a'], 'looks in --from-embeddings'),
        (['list.txt', '--out', 'x', '--num-gpus', '1'], '--num-gpus: for --engine ray alone'),
    ],
)
def test_arguments_that_do_not_go_together(run, arguments, words):
    status, _, error = run('collection.py', *arguments)
    assert status == 2 and words in error
