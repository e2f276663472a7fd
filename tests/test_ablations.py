"""docs/ablations.md: every line builds the model it claims, with the parameters it claims."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from projects.msta import compat
from projects.msta.commands.common import CfgOptions
from projects.msta.training.config import merge_options
from projects.msta.training.options import option_values

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / 'configs' / 'msta_vitb16_k400.py'
ROW = re.compile(r'^\| (?P<name>.+?) \| (?:\(none\)|`(?P<line>.+)`) \| (?P<count>[\d,]+) \|$')

compat.apply()


def rows():
    text = (ROOT / 'docs' / 'ablations.md').read_text(encoding='utf-8')
    tables = [line for line in text.splitlines() if line.startswith('|')]
    found = [ROW.match(line) for line in tables]
    return [
        pytest.param(match['line'] or '', int(match['count'].replace(',', '')), id=match['name'])
        for match in found
        if match
    ]


def test_no_line_of_the_tables_is_missed():
    text = (ROOT / 'docs' / 'ablations.md').read_text(encoding='utf-8')
    lines = [line for line in text.splitlines() if line.startswith('|')]
    heads = [line for line in lines if line.endswith(('trainable |', '---:|'))]
    assert len(lines) - len(heads) == len(rows()) >= 40


def parsed(line):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions)
    return parser.parse_args(['--cfg-options', *shlex.split(line)]).cfg_options if line else {}


def value_at(config, key):
    for part in key.split('.'):
        config = config[part]
    return config


@pytest.mark.parametrize(('line', 'count'), rows())
def test_the_line_builds_what_it_says(line, count):
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    import projects.msta.register  # noqa: F401

    register_all_modules(init_default_scope=True)
    config = Config.fromfile(BASE, import_custom_modules=False)
    options = option_values(config, parsed(line))
    merge_options(config, options)
    for key, value in options.items():
        assert key.endswith('_delete_') or value_at(config, key) == value, key
    with torch.device('meta'):
        model = MODELS.build(config.model)
    assert model.backbone.num_parameters()[0] == count


def test_every_method_has_a_line():
    from projects.msta.adapters import ADAPTERS

    named = {key for row in rows() for key in re.findall(r'adapter\.type=(\w+)', row.values[0])}
    assert named | {'MSTAAdapter'} == set(ADAPTERS)
