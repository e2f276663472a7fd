"""Which answers become descriptions, and the reasons against the others."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.msta.descriptions.answer import AnswerError, bare_phrase
from projects.msta.descriptions.forms import KINDS, STYLES, Demand
from projects.msta.descriptions.quality import judge, similar
from projects.msta.tokenizer import count_tokens
from tests.descriptions.answers import CONTENT_FAULTS, good_phrases, spoil

DEMAND = Demand('ApplyEyeMakeup', 2, 'published', 77)
FORM_END = ', which is a sub-step.'


def judged(spatial, temporal, demand=DEMAND):
    return judge(json.dumps({'spatial': spatial, 'temporal': temporal}), 'stop', demand)


def good(**changes):
    return {**good_phrases('apply eye makeup', 2), **changes}


def test_phrases_take_the_published_form():
    sentences = judged(['a brush near an eyelid', 'a small mirror'],
                       ['dipping the brush into powder', 'stroking it along the lid'])  # fmt: skip
    assert sentences == {
        'spatial': ['A video about a brush near an eyelid.', 'A video about a small mirror.'],
        'temporal': [
            'A video of apply eye makeup generally involves the following step: '
            f'dipping the brush into powder{FORM_END}',
            'A video of apply eye makeup generally involves the following step: '
            f'stroking it along the lid{FORM_END}',
        ],
    }


def test_free_sentences_are_kept_as_sentences():
    demand = Demand('run', 1, 'free', 77)
    assert judged(['legs in mid-air above a track.'], ['The knees rise in turn'], demand) == {
        'spatial': ['Legs in mid-air above a track.'],
        'temporal': ['The knees rise in turn.'],
    }


@pytest.mark.parametrize(
    'kind', ['fenced', 'thinking', 'end mark', 'channels', 'numbered', 'sentences', 'extra keys']
)
def test_wrapping_is_taken_off(kind):
    plain = judge(spoil(None, DEMAND.name, 2), 'stop', DEMAND)
    assert judge(spoil(kind, DEMAND.name, 2), 'stop', DEMAND) == plain


@pytest.mark.parametrize('kind', CONTENT_FAULTS)
@pytest.mark.parametrize('num', [2, 8])
def test_every_fault_is_turned_down(kind, num):
    demand = Demand('apply eye makeup', num, 'published', 77)
    finish = 'length' if kind == 'length' else 'stop'
    with pytest.raises(AnswerError) as error:
        judge(spoil(kind, demand.name, num), finish, demand)
    assert error.value.reasons
    assert all(reason.strip() for reason in error.value.reasons)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'spatial': ['one thing here']}, 'there are 1 spatial descriptions instead of 2'),
        ({'spatial': ['a', 'b', 'c']}, 'there are 3 spatial'),
        ({'spatial': ['a red cup', '']}, "spatial description 2 ('') is empty"),
        ({'spatial': ['a red cup', 'sponge']}, 'is a single word'),
        (
            {'spatial': ['a red cup', 'A red cup.']},
            'spatial description 2 says the same as spatial d',
        ),
        ({'spatial': ['a red cup', 'the cup, red']}, 'says the same'),
        ({'spatial': ['a red cup', 'applying the eye makeup']}, None),
        (
            {'spatial': ['a red cup', 'an apply eye makeup video']},
            'merely repeats the name',
        ),
        ({'spatial': ['a red cup', '**bold** cup on table']}, 'markup'),
        ({'spatial': ['a red cup', 'a cup... on a table']}, 'markup'),
        ({'spatial': ['a red cup', '{name} on a table']}, 'markup'),
        ({'spatial': ['a red cup', 'sure, a person']}, 'talks about the task'),
        ({'spatial': ['a red cup', 'I cannot see the video']}, 'talks about the task'),
        ({'spatial': ['a red cup', 'the man stands. the man sits']}, 'more than one sentence'),
        ({'spatial': ['a red cup', 'the output should be in the following format']}, 'talks about'),
        ({'spatial': ['a red cup', 'a hand\u200b with cup']}, 'cannot be printed'),
        ({'spatial': ['a red cup', 'человек держит чашку']}, 'is not in English'),
        ({'spatial': ['a red cup', 'a café on a street in fall']}, None),
        ({'spatial': 'a red cup'}, 'spatial: Input should be a valid list'),
        ({'temporal': None}, 'temporal: Input should be a valid list'),
        ({'spatial': ['a red cup', 5]}, 'spatial[1]: Input should be a valid string'),
    ],
)
def test_reasons_name_the_description(changes, reason):
    text = json.dumps(good(**changes))
    if reason is None:
        assert judge(text, 'stop', DEMAND)
        return
    with pytest.raises(AnswerError) as error:
        judge(text, 'stop', DEMAND)
    assert reason in str(error.value)


def test_other_european_languages_are_turned_down():
    german = good(
        spatial=['eine Frau mit einem Pinsel in der Hand', 'ein Spiegel auf dem Tisch'],
        temporal=['den Pinsel in die Farbe tauchen', 'mit dem Pinsel auf das Lid gehen'],
    )
    with pytest.raises(AnswerError, match='not in English'):
        judge(json.dumps(german), 'stop', DEMAND)


def test_refusals_and_cut_answers_are_called_so():
    for text, finish, reason in (
        ("I'm sorry, I can't help with that", 'stop', 'refusal'),
        ('{"spatial": ["a', 'length', 'cut off'),
        ('', 'content_filter', 'content filter'),
        ('', 'stop', 'empty'),
        ('{"a": 1}', 'stop', 'no complete JSON object'),
    ):
        with pytest.raises(AnswerError, match=reason):
            judge(text, finish, DEMAND)


def test_the_last_object_counts():
    first, last = json.dumps(good(spatial=['x', 'y'])), json.dumps(good())
    assert judge(f'{first}\nNo, better:\n{last}', 'stop', DEMAND) == judge(last, 'stop', DEMAND)


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize('context', [32, 77])
def test_sentences_over_the_context_are_turned_down_exactly(style, context):
    demand = Demand('run', 1, style, context)
    for kind in KINDS:
        room = demand.phrase_budget(kind)
        other = {'spatial': ['a wet road'], 'temporal': ['feet leaving ground']}
        fitting = ' '.join(['leg', 'arm', *['cat'] * (room - 2)])
        assert count_tokens(demand.sentence(kind, fitting)) == context
        assert judge(json.dumps({**other, kind: [fitting]}), 'stop', demand)
        with pytest.raises(AnswerError, match=f'{context + 1} tokens with its sentence, {context}'):
            judge(json.dumps({**other, kind: [f'{fitting} cat']}), 'stop', demand)


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        ('hands gripping the rope', 'hands gripping a rope', True),
        ('hands gripping the harness', 'hand gripping a harness', True),
        ('the plug aligning with the socket', 'aligning the plug with a socket', True),
        ('installing the cpu', 'installing the gpu', False),
        ('lifting the left arm', 'lifting the right arm', False),
        ('opening the door', 'closing the door', False),
        ('a cup', 'A CUP', True),
        ('', '', True),
    ],
)
def test_near_duplicates(first, second, expected):
    assert similar(first, second) is similar(second, first) is expected


@pytest.mark.parametrize(
    ('raw', 'bare'),
    [
        ('1. a red cup.', 'a red cup'),
        ('- a red cup', 'a red cup'),
        ('(lifting a cup)', 'lifting a cup'),
        ('(left) and (right)', '(left) and (right)'),
        ('Step 2: pouring water', 'pouring water'),
        ('"a  red\ncup"', 'a red cup'),
        ('A video about a red cup.', 'a red cup'),
        ('A video of x generally involves the following step: a b, which is a sub-step.', 'a b'),
        ('2 people facing each other', '2 people facing each other'),
        ('3.5 metre pole in a hand', '3.5 metre pole in a hand'),
        ('step onto a board', 'step onto a board'),
    ],
)
def test_bare_phrases(raw, bare):
    assert bare_phrase(raw) == bare


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.builds(lambda s, t: json.dumps({'spatial': s, 'temporal': t}), json_values, json_values),
        st.lists(st.text(min_size=1, max_size=40), min_size=4, max_size=4).map(
            lambda texts: json.dumps({'spatial': texts[:2], 'temporal': texts[2:]})
        ),
    )
)
def test_any_answer_is_either_good_or_turned_down(text):
    try:
        sentences = judge(text, 'stop', DEMAND)
    except AnswerError:
        return
    for kind in KINDS:
        assert len(sentences[kind]) == 2
        assert len({sentence.lower() for sentence in sentences[kind]}) == 2
        assert all(count_tokens(sentence) <= 77 for sentence in sentences[kind])


def test_deeply_nested_answers_are_turned_down():
    for text in ('[' * 100_000, '{"spatial":' * 5_000):
        with pytest.raises(AnswerError):
            judge(text, 'stop', DEMAND)
