"""A value arrives as given, unless it is written, or meant by the config, as something else."""

import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from projects.msta.training.config import merge_options, read_config
from projects.msta.training.options import option_values, read_value

AS_GIVEN = [
    'a photo of a {}.',
    'my (1)',
    'a, b and c',
    '123',
    '1e-3',
    'True',
    '/data/[old] videos/list.txt',
    " it's",
    'key=value',
    '(new)',
    '{}',
]


@pytest.mark.parametrize('text', AS_GIVEN)
def test_text_stays_text_where_the_config_has_text(text):
    assert read_value(text, 'a video of {}.') == text


@pytest.mark.parametrize('text', ['a photo of a {}.', 'my (1)', 'a, b and c', "it's", '2024_01_01'])
def test_what_is_written_as_nothing_else_is_text(text):
    assert read_value(text) == text


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('4', 4),
        ('-0.5', -0.5),
        ('1e-4', 1e-4),
        ('None', None),
        ('true', True),
        ('False', False),
        ("'123'", '123'),
        ('[a, b c]', ['a', 'b c']),
        ('[1,[2,x],(3,)]', [1, [2, 'x'], (3,)]),
        ("['a, b', c]", ['a, b', 'c']),
        ("[don't, won't]", ["don't", "won't"]),
        ('(8,12)', (8, 12)),
        ('[]', []),
        ('{"a": 1}', {'a': 1}),
    ],
)
def test_what_is_written_as_a_value_is_one(text, value):
    assert read_value(text) == value


@pytest.mark.parametrize(
    ('text', 'own', 'value'),
    [
        ('None', 'labels.txt', None),
        ('[a, b]', 'labels.txt', ['a', 'b']),
        ('[1, 2]', ['a'], ['1', '2']),
        ('a,b', ['x', 'y'], ['a', 'b']),
        ('1,6', (1, 12), (1, 6)),
        ('[1,6]', (1, 12), [1, 6]),
        ('labels.txt', ['x', 'y'], 'labels.txt'),
        ('2', 1.5, 2),
        ('auto', 1.5, 'auto'),
    ],
)
def test_what_the_config_has_decides(text, own, value):
    assert read_value(text, own) == value


def test_options_are_read_against_the_config_at_their_path():
    cfg = Config(
        dict(
            model=dict(template='a video of {}.', labels=['a'], adapter=dict(blocks=(1, 2))),
            param_scheduler=[dict(type='X', end='7')],
        )
    )
    options = {
        'model.template': 'one, two {}',
        'model.adapter.blocks': '3,4',
        'param_scheduler.0.end': '9',
        'model.new': '9',
        'model.labels': ('as', 'it is'),
    }
    assert option_values(cfg, options) == {
        'model.template': 'one, two {}',
        'model.adapter.blocks': (3, 4),
        'param_scheduler.0.end': '9',
        'model.new': 9,
        'model.labels': ('as', 'it is'),
    }
    merge_options(cfg, options)
    assert cfg.model.template == 'one, two {}' and cfg.param_scheduler[0].end == '9'


def test_no_workers_need_no_second_setting():
    cfg = Config(dict(train_dataloader=dict(num_workers=2, persistent_workers=True)))
    merge_options(cfg, {'train_dataloader.num_workers': '0'})
    loader = DataLoader([1, 2], **cfg.train_dataloader)
    assert [*loader] == [1, 2]


@pytest.mark.parametrize('folder', ["it's here", 'a "b"', 'back\\slash \\1', 'plain'])
def test_a_config_may_lie_in_any_folder(folder, tmp_path):
    place = tmp_path / folder
    place.mkdir()
    (place / 'base.py').write_text("labels = '{{ fileDirname }}/labels.txt'\n")
    (place / 'child.py').write_text(
        '_base_ = \'base.py\'\nname = "{{fileBasenameNoExtension}} {{ fileDirname }}"\n'
    )
    cfg = read_config(place / 'child.py')
    assert cfg.labels == f'{place}/labels.txt' and cfg.name == f'child {place}'
