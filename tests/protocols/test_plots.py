"""What the plots show: numbers and names where they can be read, and something where all is 0."""

import numpy as np
import pytest

from projects.msta.labels import read_labels
from projects.msta.protocols import plots
from projects.msta.protocols.comparison_plot import plot
from tests.figures import covered_texts, is_cut


def result(names: list[str], confusion: np.ndarray) -> dict:
    counts = confusion.sum(1)
    rows = [
        {'name': name, 'accuracy': confusion[i, i] / counts[i], 'videos': int(counts[i])}
        for i, name in enumerate(names)
    ]
    return {'confusion': confusion.tolist(), 'per_class': rows}


def tick_names(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_cells_of_a_small_confusion_have_numbers():
    found = result(['run', 'walk'], np.array([[3, 1], [0, 4]]))
    axes = plots._confusion('base', [found]).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ['100', '25', '75']
    assert tick_names(axes.xaxis) == tick_names(axes.yaxis) == ['run', 'walk']


@pytest.mark.parametrize(('classes', 'shown'), [(40, 40), (100, 60)])
def test_large_confusions_have_names_and_confused_classes_side_by_side(classes, shown):
    confusion = 10 * np.eye(classes, dtype=int)
    confusion[3, 30] = confusion[30, 3] = 9
    names = [f'class {i}' for i in range(classes)]
    axes = plots._confusion('test', [result(names, confusion)]).axes[0]
    order = tick_names(axes.yaxis)
    assert len(order) == shown and not axes.texts
    assert len(set(order)) == shown and order == tick_names(axes.xaxis)
    assert abs(order.index('class 3') - order.index('class 30')) == 1


def test_long_names_and_titles_are_not_cut(tmp_path):
    names = read_labels('ssv2')
    counts = 3 * np.eye(len(names), dtype=int) + np.eye(len(names), k=1, dtype=int)
    frozen, trained = result(names, counts), result(names, counts[::-1])
    figure = plots._gain('a test', [trained], frozen)
    assert not covered_texts(figure)
    figure.savefig(tmp_path / 'gain.png')
    assert not is_cut(tmp_path / 'gain.png')


def test_a_gain_of_nothing_is_written():
    found = result(['run', 'walk'], np.array([[3, 1], [0, 4]]))
    axes = plots._gain('base', [found], found).axes[0]
    assert [text.get_text() for text in axes.texts] == ['0', '0']
    better = result(['run', 'walk'], np.array([[4, 0], [0, 4]]))
    axes = plots._gain('base', [better], found).axes[0]
    assert [text.get_text() for text in axes.texts] == ['+25.0', '0']


@pytest.mark.parametrize('counts', [(110_016, 180_000), (4_000, 720_000), (110_016,)])
def test_parameters_have_numbers_on_their_axis(counts):
    rows = [
        {
            'method': f'm{n}',
            'title': f'm{n}',
            'trainable_parameters': count,
            'values': {'HM': {'mean': 50.0 + n, 'std': None}},
            'cost': None,
            'on_front': True,
        }
        for n, count in enumerate(counts)
    ]
    comparison = {'methods': rows, 'columns': ['HM'], 'headline': 'HM', 'costs': None}
    figure = plot({**comparison, 'protocol': 'base2novel', 'dataset': 'shapes'})
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    low, high = figure.axes[0].get_xlim()
    places = zip(axis.get_majorticklocs(), tick_names(axis), strict=True)
    assert [text for place, text in places if low <= place <= high and text]
