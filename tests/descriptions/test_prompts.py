"""What the language model is asked."""

import json

import pytest

from projects.msta.descriptions.dialect import Parameters
from projects.msta.descriptions.forms import Demand
from projects.msta.descriptions.plan import make_plan
from projects.msta.descriptions.prompts import (
    PROMPT_VERSION,
    Prompts,
    build_correction,
    nearest_names,
)
from projects.msta.descriptions.quality import judge
from projects.msta.descriptions.schema import DescriptionError
from projects.msta.descriptions.subject import read_subject, shipped_subjects
from projects.msta.labels import read_labels

PROMPTS = Prompts(read_subject())


def prompt(label, num=2, style='published', context=77, others=()):
    return PROMPTS.messages(Demand(label, num, style, context), others)[1]['content']


def test_the_prompt_version_goes_with_its_text():
    # A change of the prompts needs a new version, and a new pair here.
    assert (PROMPT_VERSION, PROMPTS.hash) == ('1', 'cced23ec307ccb74')


@pytest.mark.parametrize('style', ['published', 'short', 'free'])
@pytest.mark.parametrize('num', [1, 2, 8])
def test_a_prompt_states_name_numbers_and_limits(style, num):
    text = prompt('ApplyEyeMakeup', num, style, 32)
    demand = Demand('ApplyEyeMakeup', num, style, 32)
    assert 'Action: "apply eye makeup"' in text
    assert f'exactly {num} spatial and exactly {num} temporal' in text
    assert f'At most {demand.max_words("spatial")} words' in text
    assert f'{demand.max_words("temporal")} for a temporal' in text
    assert 'JSON' in text


@pytest.mark.parametrize('style', ['published', 'short', 'free'])
def test_the_example_in_the_prompt_passes_the_gate(style):
    example = prompt('run', 2, style).rsplit('\n', 1)[1]
    assert judge(example, 'stop', Demand('run', 2, style, 77))
    json.loads(example)


def test_placeholders_of_a_name_are_explained_only_where_there_are_any():
    assert 'stands for any everyday object' in prompt('Pushing something')
    assert 'stands for any everyday object' not in prompt('pushing car')


def test_names_are_taken_literally():
    text = prompt('a {b} {} %s "c"', others=['{others}'])
    assert 'Action: "a {b} {} %s "c""' in text
    assert '"{others}"' in text


def test_similar_classes_are_named():
    names = [name.lower() for name in read_labels('kinetics400')]
    near = dict(zip(names, nearest_names(names, 4), strict=True))
    assert near['passing american football (in game)'][0] == (
        'passing american football (not in game)'
    )
    assert 'playing bass guitar' in near['playing guitar']
    # "playing" alone makes no two classes alike.
    assert 'playing cards' not in near['playing accordion']
    assert all(name not in others and len(others) <= 4 for name, others in near.items())
    assert nearest_names(names, 0) == [[]] * 400


def test_a_correction_quotes_the_answer_and_the_reasons():
    messages = PROMPTS.messages(Demand('run', 2, 'published', 77))
    again = build_correction(messages, 'x' * 9000, ['spatial description 1 is empty'], 2)
    assert again[:2] == messages
    assert again[2] == {'role': 'assistant', 'content': 'x' * 4000}
    assert '- spatial description 1 is empty' in again[3]['content']
    assert build_correction(messages, '', ['r'], 2)[2]['content']


def test_whatever_changes_the_question_changes_its_key():
    def key(label='run', parameters=None, **options):
        plan = make_plan([label, 'swim'], parameters or Parameters('m', 100), **options)
        return plan.tasks[0].key

    keys = [
        key(),
        key('walk'),
        key(num=3),
        key(style='free'),
        key(context=32),
        key(parameters=Parameters('other', 100)),
        key(parameters=Parameters('m', 100, temperature=0.5)),
        key(parameters=Parameters('m', 100, seed=1)),
        key(parameters=Parameters('m', 100, extra={'top_p': 0.5})),
    ]
    assert len(set(keys)) == len(keys)
    # What only bounds the work changes no question.
    assert key(parameters=Parameters('m', 200)) == key(attempts=9) == keys[0]


def test_names_that_fill_the_context_are_refused_before_anything_is_asked():
    with pytest.raises(DescriptionError, match=r'leave no room .*use --style free'):
        make_plan(read_labels('ssv2'), Parameters('m', 100), context=16)
    plan = make_plan(read_labels('ssv2'), Parameters('m', 100), context=16, style='free')
    assert len(plan.tasks) == 174


def test_names_without_room_in_the_published_form_are_asked_for_in_the_short_one():
    names = read_labels('ssv2')
    plan = make_plan(names, Parameters('m', 100), context=32)
    styles = {task.label: task.demand.style for task in plan.tasks}
    short = [name for name in names if styles[name] == 'short']
    assert short == [name for name in names if not Demand(name, 2, 'published', 32).has_room]
    assert 0 < len(short) < 174
    alone = make_plan(names, Parameters('m', 100), context=32, style='short')
    keys = {task.label: task.key for task in alone.tasks}
    # The same question as with --style short, so its answers serve both.
    assert all((task.key == keys[task.label]) == (task.label in short) for task in plan.tasks)


@pytest.mark.parametrize('name', shipped_subjects())
@pytest.mark.parametrize('style', ['published', 'free'])
def test_every_subject_has_an_example_that_passes(name, style):
    subject = read_subject(name)
    demand = Demand('x', 2, style, 77)
    messages = Prompts(subject).messages(demand)
    example = messages[1]['content'].rsplit('\n', 1)[1]
    assert judge(example, 'stop', demand)
    for word in ('human', 'people', 'person', 'hands', 'action'):
        text = ' '.join(message['content'] for message in messages).partition('For another')[0]
        assert (word in text) <= (name == 'human_actions') or subject.unseen.count(word), word
    assert subject.noun in messages[1]['content']


def test_a_subject_of_ones_own(tmp_path):
    data = read_subject('machines').model_dump() | {'about': 'cranes {at work} $50'}
    path = tmp_path / 'cranes.json'
    path.write_text(json.dumps(data), encoding='utf-8')
    system = Prompts(read_subject(path)).messages(Demand('hoist', 2, 'published', 77))[0]
    assert 'descriptions of cranes {at work} $50.' in system['content']
    assert Prompts(read_subject(path)).hash != Prompts(read_subject('machines')).hash
    del data['noun'], data['vague']
    path.write_text(json.dumps(data | {'colour': 'red'}), encoding='utf-8')
    with pytest.raises(DescriptionError, match=r'noun: Field required; vague: .*colour: Extra'):
        read_subject(path)
    with pytest.raises(DescriptionError, match=r"no subject 'machine' .did you mean 'machines'"):
        read_subject('machine')
    with pytest.raises(DescriptionError, match='no file of a subject'):
        read_subject(tmp_path / 'none.json')
