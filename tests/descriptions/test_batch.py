"""The Batch API: the same questions, the same cache, the same gate."""

from projects.msta.descriptions import read_descriptions
from tests.descriptions.answers import good_phrases

NAMES = ['abseiling', 'air drumming', 'ApplyEyeMakeup', 'baking cookies']


def test_a_batch_gives_the_same_file_as_live_requests(tool, server, tmp_path):
    server.behaviour.batch_polls = 2
    submitted = tool('--batch', 'submit')
    assert submitted.status == 0
    assert '4 requests submitted: batch0' in submitted.out
    assert server.outcomes() == []
    # Submitting again costs nothing while the first is under way.
    assert 'nothing to submit' in tool('--batch', 'submit').out
    assert len(server.batches) == 1
    assert 'batch0: in_progress' in tool('--batch', 'status').out
    early = tool('--batch', 'collect')
    assert early.status == 1
    assert 'not finished: batch0' in early.out
    ran = tool('--batch', 'collect')
    assert ran.status == 0, ran.out
    assert '4 answers collected' in ran.out
    from_batch = (tmp_path / 'out.json').read_bytes()
    assert 'no batch is under way' in tool('--batch', 'status').out
    assert tool('--batch', 'collect').status == 0

    live = ('--cache', tmp_path / 'live.sqlite', '--out', tmp_path / 'live.json')
    assert tool(*live).status == 0
    assert (tmp_path / 'live.json').read_bytes() == from_batch


def test_live_runs_and_batches_share_the_answers(tool, server, labels, tmp_path):
    assert tool().status == 0
    labels.write_text('zorbing\n' + labels.read_text(encoding='utf-8'), encoding='utf-8')
    assert '1 requests submitted' in tool('--batch', 'submit').out
    server.behaviour.batch_polls = 0
    assert tool('--batch', 'collect').status == 0
    assert server.outcomes('zorbing') == ['good']
    assert len(server.outcomes()) == 5


def test_bad_answers_are_corrected_in_the_next_batch(tool, server):
    server.behaviour.batch_polls = 0
    server.behaviour.content_faults = 1.0
    server.behaviour.content_kinds = ('count',)
    tool('--batch', 'submit')
    first = tool('--batch', 'collect')
    assert first.status == 1
    assert "'abseiling': there are 3 spatial descriptions" in first.out
    assert '--batch submit again' in first.out
    assert '4 requests submitted: batch1' in tool('--batch', 'submit').out
    assert tool('--batch', 'collect').status == 0
    assert server.outcomes('abseiling') == ['count', 'good']


def test_a_refused_field_is_left_out_of_the_next_batch(tool, server):
    server.behaviour.batch_polls = 0
    server.behaviour.refused = {'max_tokens': "Unsupported parameter: 'max_tokens'"}
    tool('--batch', 'submit')
    first = tool('--batch', 'collect')
    assert first.status == 1
    assert 'the endpoint refused a field' in first.out
    tool('--batch', 'submit')
    assert tool('--batch', 'collect').status == 0
    assert 'max_completion_tokens' in server.log[-1]['body']


def test_a_result_file_that_was_cut_loses_one_answer_only(tool, server):
    server.behaviour.batch_polls = 0
    server.behaviour.batch_cut = True
    tool('--batch', 'submit')
    ran = tool('--batch', 'collect')
    assert ran.status == 1
    assert '3 answers collected' in ran.out
    server.behaviour.batch_cut = False
    assert '1 requests submitted' in tool('--batch', 'submit').out
    assert tool('--batch', 'collect').status == 0


def test_a_batch_whose_creation_was_not_confirmed_is_found_again(tool, server, tmp_path):
    server.behaviour.batch_polls = 0
    server.lose_next_batch_reply = True
    lost = tool('--batch', 'submit')
    assert lost.status == 1
    assert 'nothing is submitted twice' in lost.err
    assert 'nothing to submit' in tool('--batch', 'submit').out
    assert len(server.batches) == 1
    assert tool('--batch', 'collect').status == 0
    found = read_descriptions(tmp_path / 'out.json', NAMES)
    assert good_phrases('abseiling', 2)['spatial'][0] in found.spatial[0][0]


def test_a_batch_that_never_came_to_be_is_submitted_again(tool, server):
    server.lose_next_batch_reply = True
    tool('--batch', 'submit')
    server.batches.clear()
    assert '4 requests submitted' in tool('--batch', 'submit').out


def test_other_label_lists_batches_are_collected_too(tool, server, tmp_path):
    server.behaviour.batch_polls = 0
    tool('--batch', 'submit')
    other = ('--labels', 'hmdb51_base', '--cache', tmp_path / 'out.cache.sqlite')
    ran = tool(*other, '--batch', 'collect')
    assert ran.status == 1
    assert '4 answers collected' in ran.out
    assert tool().status == 0
    assert len(server.outcomes()) == 4


def test_endpoints_without_a_batch_api_are_explained(tool, server):
    ran = tool('--base-url', server.url + '/none', '--batch', 'submit')
    assert ran.status == 1
    assert 'Most local servers have none' in ran.err
