import json
from types import SimpleNamespace

import cv2
import pytest

from projects.msta.datasets.shapes.folder import Recipe
from projects.msta.protocols.demo import CONFIG, Demo, DemoResult, Scores, report, save_result
from projects.msta.protocols.demo_plot import draw
from projects.msta.training import launch

RECIPE = Recipe(train_per_class=16, test_per_class=2)


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    """A demo of one epoch, on fewer test videos."""
    folder = tmp_path_factory.mktemp('demo')
    lines: list[str] = []
    options = {
        'train_cfg.max_epochs': 1,
        'param_scheduler.0.end': 14,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
        'default_hooks.checkpoint.interval': 1,
    }
    demo = Demo(
        data=folder / 'shapes',
        out=folder / 'out',
        options=options,
        recipe=RECIPE,
        say=lines.append,
        bar=lambda title: SimpleNamespace(
            update=lambda n: None, reset=lambda total: None, close=lambda: None, n=0, total=0
        ),
    )
    return demo, demo.run([2]), lines


def test_demo_trains_and_tests_both_halves(shown):
    _, result, lines = shown
    assert set(result.frozen) == {'base', 'novel'} and set(result.trained) == {2}
    for scores in (result.frozen, result.trained[2]):
        for half in ('base', 'novel'):
            assert len(scores[half].labels) == len(scores[half].per_class) == 24
            mean = sum(scores[half].per_class) / 24
            assert mean == pytest.approx(scores[half].top1, abs=1e-6)
    curve = result.curves[2]
    assert len(curve.epoch) == len(curve.loss) == len(curve.accuracy) == 12
    trained, total = result.trainable
    assert 0 < trained <= 0.07 * total
    assert any('frozen' in line for line in lines) and any('seed 2' in line for line in lines)


def test_frozen_scores_are_those_of_the_test_tool(shown):
    demo, result, _ = shown
    metrics = launch.test(
        CONFIG,
        None,
        work_dir=demo.out / 'tool',
        cfg_options={
            'model.backbone.adapter': None,
            'model.labels': str(demo.data / 'labels_novel.txt'),
            'test_dataloader.dataset.ann_file': str(demo.data / 'novel_test.txt'),
            'test_dataloader.dataset.data_prefix.video': str(demo.data),
            'test_dataloader.num_workers': 0,
            'test_dataloader.persistent_workers': False,
        },
    )
    assert 100 * metrics['acc/top1'] == pytest.approx(result.frozen['novel'].top1)


def test_result_and_picture_are_saved(shown, tmp_path):
    _, result, _ = shown
    save_result(result, tmp_path / 'result.json')
    data = json.loads((tmp_path / 'result.json').read_text())
    assert data['gains'] == pytest.approx(result.gains)
    draw(result, tmp_path / 'demo.png')
    picture = cv2.imread(str(tmp_path / 'demo.png'))
    assert picture.shape[1] > 1000 and picture.std() > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ['demo.png', 'result.json']


def test_report_states_mean_and_spread_of_the_gain():
    def scores(base, novel):
        return {
            'base': Scores(['x'], [base], base),
            'novel': Scores(['y'], [novel], novel),
        }

    result = DemoResult(scores(40.0, 60.0), trainable=(50, 1000))
    result.trained = {1: scores(60.0, 60.0), 2: scores(80.0, 80.0)}
    lines = report(result)
    assert '48.0' in lines[1]
    assert '70.0±14.1' in lines[4]
    assert '+22.0 points ± 14.1 over 2 seeds' in lines[-1] and '(5.0%)' in lines[-1]
