"""docs/training.md: the values of its table are what it says, and its Python runs."""

import inspect
import re

import pytest

from projects.msta.paths import ROOT
from projects.msta.training import launch
from projects.msta.training.options import read_value

PAGE = (ROOT / 'docs' / 'training.md').read_text(encoding='utf-8')


@pytest.mark.parametrize(
    ('written', 'own', 'value'),
    [
        ('a photo of a {}.', 'a video of {}.', 'a photo of a {}.'),
        ('123', 'work_dirs/x', '123'),
        ('my (1).txt', 'labels.txt', 'my (1).txt'),
        ('[spatial.json, temporal.json]', 'one.json', ['spatial.json', 'temporal.json']),
        ('(8,12)', None, (8, 12)),
        ("'123'", None, '123'),
        ('8,12', (1, 12), (8, 12)),
        ('None', 'one.json', None),
    ],
)
def test_the_table_of_options(written, own, value):
    assert written in PAGE
    assert read_value(written, own) == value


def test_the_python_calls_take_these_arguments(monkeypatch):
    (code,) = re.findall(r'```python\n(.*?)```', PAGE, re.S)
    made = {}
    for name in ('train', 'test'):
        signature = inspect.signature(getattr(launch, name))

        def call(*given, _name=name, _signature=signature, **keywords):
            made[_name] = _signature.bind(*given, **keywords)

        monkeypatch.setattr(launch, name, call)
    exec(compile(code, 'docs/training.md', 'exec'), {})
    assert made['train'].arguments['settings']['cfg_options'] == {'train_cfg.max_epochs': 4}
    assert made['test'].arguments['checkpoint'].endswith('epoch_4.pth')
