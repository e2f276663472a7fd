"""Every choice follows from what there is, is told with its reason, and can be made by the user."""

from dataclasses import replace

import pytest

from projects.msta.own_videos.recipe import Situation, choose, tell

FEW = Situation((16, 16), ('run', 'jump'), 12, 768, False, None, 2)


def values(situation, **given):
    return {name: choice.value for name, choice in choose(situation, given).items()}


def test_few_clips_on_a_processor():
    chosen = values(FEW)
    assert chosen['blocks'] == (8, 12) and chosen['dim'] == 128 and chosen['scale'] == 0.005
    assert chosen['cached_views'] > 0 and chosen['amp'] is False
    assert FEW.clips // chosen['batch'] >= 5 and len(chosen['learning_rates']) == 1
    assert chosen['targets'] == ('template',)


def test_many_clips_on_a_gpu():
    chosen = values(replace(FEW, counts=(500, 400), gpu_gib=80.0, described=True))
    assert chosen['blocks'] == (1, 12) and chosen['cached_views'] == 0 and chosen['amp']
    assert chosen['batch'] == 32 and len(chosen['learning_rates']) == 3
    assert chosen['targets'] == ('spatial', 'temporal')


def test_labels_are_smoothed_for_a_tiny_model_alone():
    assert values(FEW)['smoothing'] == 0 < values(replace(FEW, width=128))['smoothing']


@pytest.mark.parametrize('name', ['pan left', 'turn clockwise', '向左走', 'nach rechts'])
def test_left_and_right_are_not_flipped(name):
    chosen = choose(replace(FEW, names=('run', name)))
    assert chosen['flip'].value is False and name in chosen['flip'].reason
    assert values(FEW)['flip'] is True
    assert values(replace(FEW, names=('leftover food', 'bright')))['flip'] is True


@pytest.mark.parametrize(('counts', 'balanced'), [((10, 50), False), ((10, 51), True)])
def test_rare_classes_are_shown_more_often_beyond_a_ratio(counts, balanced):
    assert values(replace(FEW, counts=counts))['balanced'] is balanced


def test_what_the_user_decides_is_taken():
    chosen = choose(FEW, {'epochs': 3, 'flip': False})
    assert chosen['epochs'].value == 3 and chosen['epochs'].reason == 'given'
    assert chosen['flip'].value is False
    assert choose(FEW, {'batch': 100})['batch'].value == 32  # all there is
    with pytest.raises(ValueError, match="no setting 'epoch'"):
        choose(FEW, {'epoch': 3})


def test_choices_are_told_with_their_reasons():
    lines = tell(choose(FEW))
    assert len(lines) == len(choose(FEW)) and all('(' in line for line in lines)
