"""Methods compared end to end: rates searched on videos apart, one table, one plot, costs."""

import json
from pathlib import Path

import matplotlib.image
import pytest

from projects.msta import compat

compat.apply()

from projects.msta.commands import compare_methods, run_protocol  # noqa: E402
from projects.msta.paths import CONFIGS  # noqa: E402
from projects.msta.protocols import methods, search  # noqa: E402
from projects.msta.protocols.comparison import pareto_front  # noqa: E402
from projects.msta.protocols.definitions import ProtocolError  # noqa: E402
from projects.msta.training.config import read_config  # noqa: E402
from tests.protocols.conftest import read_report  # noqa: E402

TINY = CONFIGS / 'msta_tiny_shapes.py'
B16 = CONFIGS / 'msta_vitb16_k400.py'


@pytest.fixture(scope='module')
def compared(world, tmp_path_factory) -> tuple[Path, list[str]]:
    """Work folder and arguments of a comparison of two methods and the frozen one, two rates."""
    work_dir = tmp_path_factory.mktemp('compared')
    arguments = world.arguments('base2novel', work_dir, '--seeds', 1, '--search', 2)
    arguments += ['--rounds', '2', '--methods', 'msta', 'linear-probe', 'frozen']
    assert compare_methods.main(arguments) == 0
    return work_dir, arguments


def read(work_dir: Path, name: str) -> dict:
    (path,) = work_dir.glob(f'compare-*/{name}')
    return json.loads(path.read_text(encoding='utf-8'))


def test_table_holds_what_the_runs_gave(world, compared):
    comparison = read(compared[0], 'comparison.json')
    rows = {row['method']: row for row in comparison['methods']}
    assert list(rows) == ['msta', 'linear-probe', 'frozen']
    for name in ('msta', 'linear-probe'):
        (run,) = rows[name]['runs']
        for part in ('base', 'novel'):
            result = json.loads(Path(run['parts'][part]['result']).read_text())
            assert rows[name]['values'][part]['mean'] == 100 * result['values']['top1']
            assert rows[name]['trainable_parameters'] == result['trainable_parameters']
    assert rows['linear-probe']['trainable_parameters'] == 16 * 16
    assert rows['frozen']['trainable_parameters'] == 0 and rows['frozen']['on_front']
    (page,) = compared[0].glob('compare-*/comparison.md')
    lines = [line for line in page.read_text().splitlines() if line.startswith('| linear probe')]
    shown = [cell.strip() for cell in lines[0].strip('|').split('|')]
    probe = rows['linear-probe']
    assert shown[1:3] == ['256', f'{probe["rate"]:g}']
    assert shown[3:6] == [f'{probe["values"][c]["mean"]:.1f}' for c in ('base', 'novel', 'HM')]


def test_claims_are_judged_by_the_same_runs(world, compared, capsys):
    work_dir = compared[0]
    comparison = read(work_dir, 'comparison.json')
    (rates,) = work_dir.glob('compare-*/search.json')
    given = world.arguments('claims', work_dir, '--seeds', 1, '--rates', rates)
    assert run_protocol.main([*given, '--only', 'adapts', 'linear-probe']) == 0
    assert 'training starts' not in capsys.readouterr().out
    (folder,) = work_dir.glob('claims-*')
    judged = json.loads((folder / 'claims.json').read_text())
    page = (folder / 'claims.md').read_text()
    means = {row['method']: row['values']['HM']['mean'] for row in comparison['methods']}
    for row in judged.values():
        assert [row['better'], row['worse']] == pytest.approx([means[m] for m in row['methods']])
        assert row['low'] <= row['difference'] <= row['high']
        assert f'| {row["text"]} |' in page and row['verdict'] in page
    assert read(work_dir, 'comparison.json') == comparison


def test_rates_are_those_that_did_best_on_videos_apart(world, compared):
    found = read(compared[0], 'search.json')
    seen = set((world.folder / 'base_train_16shot_seed1.txt').read_text().split())
    seen |= set((world.folder / 'base_test.txt').read_text().split())
    used = [line.split()[0] for line in Path(found['list']).read_text().splitlines()]
    assert len(used) == found['videos'] == 4 and not seen & set(used)
    rates = {row['method']: row['rate'] for row in read(compared[0], 'comparison.json')['methods']}
    for name, one in found['methods'].items():
        assert [point['rate'] for point in one['tried']] == [3e-3, 1e-2]
        best = max(point['top1'] for point in one['tried'])
        assert rates[name] == min(p['rate'] for p in one['tried'] if p['top1'] == best)


def test_costs_are_relative_to_msta(compared):
    comparison = read(compared[0], 'comparison.json')
    costs = {row['method']: row['cost'] for row in comparison['methods']}
    assert costs['msta']['time_ratio'] == costs['msta']['memory_ratio'] == 1
    assert costs['linear-probe']['seconds'] > 0 and costs['linear-probe']['peak_mib'] > 0
    assert costs['frozen'] is None and comparison['costs']['batch'] == 4


def test_plot_is_a_picture(compared):
    (path,) = compared[0].glob('compare-*/comparison.png')
    pixels = matplotlib.image.imread(path)[..., :3]
    assert pixels.shape[1] > 1000 and pixels.std() > 0.05


def test_second_comparison_does_nothing_again(compared, capsys):
    work_dir, arguments = compared

    def state() -> dict:
        kept = [*work_dir.rglob('*.pth'), *work_dir.rglob('tests/*.json')]
        kept += work_dir.rglob('costs.json')
        return {path: path.stat().st_mtime_ns for path in kept}

    before, first = state(), read(work_dir, 'comparison.json')
    assert compare_methods.main(arguments) == 0
    assert state() == before and read(work_dir, 'comparison.json') == first
    assert 'training starts' not in capsys.readouterr().out


def test_rates_of_another_run_and_own_methods_are_taken(world, compared, capsys):
    work_dir, _ = compared
    (rates,) = work_dir.glob('compare-*/search.json')
    arguments = world.arguments('base2novel', work_dir, '--seeds', 1, '--dry-run')
    arguments += ['--methods', 'msta', '--rates', str(rates)]
    assert compare_methods.main(arguments) == 0
    assert '(trained)' in capsys.readouterr().out
    assert (
        compare_methods.main([*arguments, '--add', 'narrow', 'model.backbone.adapter.dim=4']) == 2
    )
    assert 'has no rate of narrow' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (['--methods', 'msta', 'lorra'], "no method 'lorra'"),
        (['--methods', 'frozen'], 'none of them is trained'),
        (['--add', 'lora', 'model.x=1'], 'choose another'),
        (['--add', 'mine', 'model.backbon.adapter.dim=4'], "model has no 'backbon'"),
        (['--add', 'mine', 'modl=4'], "no 'modl'"),
        (['--search', '--select', 'best'], 'last epoch'),
        (['--rates', 'nowhere.json'], 'no search.json'),
    ],
)
def test_wrong_arguments_are_one_line_and_leave_nothing(world, tmp_path, capsys, given, said):
    work_dir = tmp_path / 'new'
    assert compare_methods.main([*world.arguments('base2novel', work_dir), *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and said in error and 'Traceback' not in error
    assert not work_dir.exists()


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (['--add', 'model.x=1'], 'a name comes first'),
        (['--search', '--rates', 'x.json'], 'not allowed with'),
        (['--search', '1'], 'not an integer from 2'),
        (['--rounds', '-1'], 'not an integer from 0'),
    ],
)
def test_wrong_usage_is_said(world, tmp_path, capsys, given, said):
    with pytest.raises(SystemExit, match='2'):
        compare_methods.parser.parse_args(world.arguments('base2novel', tmp_path, *given))
    assert said in capsys.readouterr().err


def test_no_videos_to_choose_rates_on(world, tmp_path, capsys):
    arguments = world.arguments('base2novel', tmp_path / 'new', '--search', '--validation')
    arguments.append(str(world.folder / 'base_test.txt'))
    assert compare_methods.main(arguments) == 2
    assert 'no video of the trained classes' in capsys.readouterr().err
    assert not (tmp_path / 'new').exists()


def test_runs_of_the_protocol_alone_are_taken(world, compared, capsys):
    work_dir, _ = compared
    arguments = world.arguments('base2novel', work_dir, '--seeds', 1)
    assert run_protocol.main(arguments) == 0
    assert 'trained before' in capsys.readouterr().out
    assert read_report(work_dir, 'base2novel')['runs'][0]['name'] == '16shot_seed1'


def test_search_goes_on_while_the_best_is_at_an_end():
    rates = [search.factor(step) for step in range(-3, 3)]
    assert rates == pytest.approx([0.03, 0.1, 0.3, 1, 3, 10])
    assert search.next_steps({}) == [0, -1, 1]
    assert search.next_steps({-1: 50.0, 0: 60.0, 1: 55.0}) == []
    assert search.next_steps({-1: 50.0, 0: 60.0, 1: 70.0}) == [2]
    assert search.next_steps({-1: 60.0, 0: 60.0, 1: 60.0}) == [-2]
    assert search.next_steps({-1: 50.0, 0: 60.0, 1: 70.0}, 3) == []
    assert search.best_step({-1: 50.0, 0: -1.0, 1: 50.0}) == -1


def test_front_holds_what_nothing_beats():
    points = [(0, 30.0), (10, 40.0), (20, 40.0), (5, 29.0), (30, 41.0), (30, 41.0)]
    assert pareto_front(points) == [True, True, False, False, True, True]


@pytest.mark.parametrize('config', [TINY, B16], ids=['tiny', 'b16'])
def test_every_method_builds_on_shipped_configs(config):
    import torch
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    import projects.msta.register  # noqa: F401

    register_all_modules(init_default_scope=True)
    counts = {}
    for name, method in methods.METHODS.items():
        cfg = read_config(config)
        if method.settings is not None:
            cfg.merge_from_dict(methods.options_of(method, cfg))
            cfg.model.labels = ['run', 'jump']
            with torch.device('meta'):
                counts[name] = MODELS.build(cfg.model).backbone.num_parameters()[0]
    assert counts['msta'] == counts['msta-ce'] == {TINY: 110_016, B16: 8_712_192}[config]
    assert counts['full'] == max(counts.values()) and counts['coop'] == min(counts.values())
    if config == B16:
        assert counts['adaptformer'] == 7_885_824 and counts['lora'] == 9_437_184


def test_methods_need_a_config_of_msta():
    cfg = read_config(TINY)
    cfg.model.backbone.adapter = dict(type='LoRA')
    with pytest.raises(ProtocolError, match='compare on a config of MSTA'):
        methods.options_of(methods.METHODS['lora'], cfg)
