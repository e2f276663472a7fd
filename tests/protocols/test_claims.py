"""Claims: paired intervals, verdicts, the methods they compare (end to end: test_comparison)."""

import re

import numpy as np
import pytest

from projects.msta import compat

compat.apply()

from projects.msta.commands import run_protocol  # noqa: E402
from projects.msta.paths import CONFIGS, ROOT  # noqa: E402
from projects.msta.protocols import claims  # noqa: E402
from projects.msta.protocols.definitions import ProtocolError  # noqa: E402
from projects.msta.protocols.methods import METHODS, options_of  # noqa: E402
from projects.msta.training.config import read_config  # noqa: E402


def test_an_interval_is_paired_and_decides():
    generator = np.random.default_rng(1)
    worse = {part: (generator.random((5, 400)) < 0.5).astype(float) for part in ('base', 'novel')}
    better = {part: np.maximum(c, generator.random(c.shape) < 0.1) for part, c in worse.items()}
    found = claims.paired_difference(better, worse, 'HM', draws=2000)
    assert found['verdict'] == 'holds' and found['low'] < found['difference'] < found['high']
    # Unpaired, the standard error of a difference of two means over 400 videos would be 3.5 alone.
    assert found['high'] - found['low'] < 4
    assert claims.paired_difference(worse, better, 'novel', draws=2000)['verdict'] == 'does not'
    same = claims.paired_difference(worse, worse, 'base', draws=100)
    assert (same['low'], same['high'], same['verdict']) == (0, 0, 'undecided')


@pytest.mark.parametrize('config', ['msta_tiny_shapes.py', 'msta_vitb16_k400.py'])
def test_every_method_of_a_claim_is_one_and_differs_from_msta(config):
    known = {**METHODS, **claims.VARIANTS}
    assert not set(METHODS) & set(claims.VARIANTS)
    cfg = read_config(CONFIGS / config)
    for name in claims.methods_of(claims.CLAIMS):
        if name not in ('msta', 'frozen'):
            assert options_of(known[name], cfg), name


def test_the_page_of_rules_names_every_claim():
    rows = re.findall(r'^\| (`.*?): ', (ROOT / 'docs' / 'claims.md').read_text(), re.M)
    named = re.findall(r'`([^`]+)`', ' '.join(r for r in rows))
    assert sorted(named) == sorted(claims.CLAIMS)


def test_says_what_it_would_run(world, tmp_path, capsys):
    few = world.arguments('claims', tmp_path, '--seeds', 1, '--only', 'upper', '--dry-run')
    assert run_protocol.main(few) == 0
    shown = capsys.readouterr().out
    assert shown.count('seed1 (to train)') == 4 and 'rates would be chosen on' in shown


def test_refuses_what_it_cannot_do(world, tmp_path, capsys):
    with pytest.raises(ProtocolError, match="did you mean 'upper'"):
        claims.choose_claims(['uper'])
    assert run_protocol.main(world.arguments('base2novel', tmp_path, '--only', 'upper')) == 2
    assert '--only is an option of claims' in capsys.readouterr().err
