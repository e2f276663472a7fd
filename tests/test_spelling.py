"""The nearest valid names for one that is not known."""

import pytest

from projects.msta.spelling import did_you_mean, nearest, similar

NAMES = ['MSTAAdapter', 'AdaptFormer', 'LoRA', 'LinearProbe']


@pytest.mark.parametrize(
    ('name', 'found'),
    [('lora', 'LoRA'), ('MSTAadpater', 'MSTAAdapter'), ('Linear', 'LinearProbe'), ('xyz', None)],
)
def test_the_nearest_is_found_whatever_its_case(name, found):
    assert nearest(name, NAMES) == found
    assert did_you_mean(name, NAMES) == (f' (did you mean {found!r}?)' if found else '')


def test_similar_names_come_nearest_first():
    assert similar('adapter', NAMES, cutoff=0.4) == ['MSTAAdapter', 'AdaptFormer']
    assert similar('adapter', NAMES, most=1, cutoff=0.4) == ['MSTAAdapter']
    assert similar('adapter', []) == []


def test_what_is_no_name_or_endless_is_compared_too():
    assert nearest(7, ['7', '8']) == '7'
    assert nearest('LoRA' * 10**6, NAMES) is None
