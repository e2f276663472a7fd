"""The lists that protocols name are those that the data tools write; checks before a run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from projects.msta.datasets.lists.annotations import write_lines
from projects.msta.datasets.lists.published import PUBLISHED
from projects.msta.datasets.shapes.folder import Recipe, text_names
from projects.msta.labels import read_labels
from projects.msta.protocols.definitions import (
    CLASS_COUNTS,
    DATASETS,
    DEFAULT_SHOTS,
    MODELS,
    PROTOCOLS,
    cells,
    find_configs,
)
from tools import run_protocol
from tools.data import make_splits

SEEDS = (1, 2, 3)


def lists_of(protocol: str, dataset: str, published: bool = False):
    """Every list a protocol names, with its labels."""
    for cell in cells(protocol, dataset, SEEDS, DEFAULT_SHOTS, published):
        yield cell.train
        yield from cell.tests.values()


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_shapes_lists_are_those_that_are_rendered(protocol):
    written = set(text_names(Recipe()))
    named = list(lists_of(protocol, 'shapes'))
    assert {lists.videos for lists in named} | {lists.labels for lists in named} <= written


@pytest.mark.parametrize('protocol', ['few_shot', 'base2novel'])
def test_published_lists_are_found_under_their_names(protocol):
    entries = {f'{name.replace("/", "_")}': entry for name, entry in PUBLISHED.items()}
    for dataset in set(DATASETS[protocol]) - {'shapes'}:
        for lists in lists_of(protocol, dataset, published=True):
            stem = Path(lists.videos).stem
            entry = entries[stem]
            if lists.labels.endswith('.txt'):
                assert lists.labels == f'{stem}_labels.txt'
            else:
                assert read_labels(lists.labels) == read_labels(entry.labels)


def test_published_zero_shot_lists_are_found_under_their_names():
    names = {f'{name.replace("/", "_")}.txt' for name in PUBLISHED}
    for dataset in ('hmdb51', 'ucf101', 'kinetics600'):
        (cell,) = cells('zero_shot', dataset, (1,), published=True)
        assert {lists.videos for lists in cell.tests.values()} <= names


def test_own_lists_are_those_that_make_splits_writes(tmp_path):
    names = read_labels('hmdb51')
    lines = [f'{label}/{n}.avi {label}' for label in range(51) for n in range(16 + label % 3)]
    write_lines(tmp_path / 'train1.txt', lines)
    write_lines(tmp_path / 'test1.txt', [f'{label}/test.avi {label}' for label in range(51)])
    common = ['--labels', 'hmdb51', '--out', str(tmp_path), '--train', str(tmp_path / 'train1.txt')]
    assert make_splits.main(['few-shot', *common, '--seeds', '1', '2', '3']) == 0
    test = ['--test', str(tmp_path / 'test1.txt')]
    assert make_splits.main(['base-novel', *common, *test]) == 0
    for protocol in ('few_shot', 'base2novel'):
        for lists in lists_of(protocol, 'hmdb51'):
            assert (tmp_path / lists.videos).is_file()
            if lists.labels.endswith('.txt'):
                assert set(read_labels(tmp_path / lists.labels)) < set(names)
    counts = [len(read_labels(tmp_path / f'{half}_labels.txt')) for half in ('base', 'novel')]
    assert tuple(counts) == CLASS_COUNTS['hmdb51']


def test_every_cell_has_a_config():
    for protocol in PROTOCOLS:
        for dataset in DATASETS[protocol]:
            models = ['viclip-tiny'] if dataset == 'shapes' else ['viclip-b16', 'clip-b16']
            for model in models:
                assert model in MODELS
                for shots in DEFAULT_SHOTS if protocol == 'few_shot' else (None,):
                    train, test = find_configs(protocol, dataset, model, shots)
                    assert train.is_file() and test.is_file()


def test_seeds_and_shots_draw_other_lists():
    drawn = [cell.train.videos for cell in cells('few_shot', 'ucf101', SEEDS)]
    assert len(set(drawn)) == len(drawn) == 12
    assert len({cell.name for cell in cells('few_shot', 'ucf101', SEEDS)}) == 12


@pytest.fixture
def changed(world, tmp_path) -> Path:
    """A copy of the world to spoil."""
    folder = tmp_path / 'changed'
    shutil.copytree(world.folder, folder)
    return folder


def refused(world, folder: Path, tmp_path: Path, capsys, *more: str) -> str:
    arguments = world.arguments('base2novel', tmp_path / 'out', '--data', folder, '--seeds', 1)
    assert run_protocol.main([*arguments, '--dry-run', *more]) == 2
    said = capsys.readouterr().err
    assert said.startswith('error: ')
    assert not (tmp_path / 'out').exists()
    return said


def test_all_problems_are_named_before_anything_starts(world, changed, tmp_path, capsys):
    (changed / 'base_train_16shot_seed1.txt').unlink()
    (changed / 'labels_novel.txt').unlink()
    said = refused(world, changed, tmp_path, capsys)
    assert 'base_train_16shot_seed1.txt: no such annotation file' in said
    assert 'labels_novel.txt' in said


def test_videos_trained_on_are_not_tested(world, changed, tmp_path, capsys):
    train = (changed / 'base_train_16shot_seed1.txt').read_text()
    with (changed / 'base_test.txt').open('a') as file:
        file.write(train.splitlines()[0] + '\n')
    assert '1 videos are both in' in refused(world, changed, tmp_path, capsys)


def test_base_classes_are_not_novel(world, changed, tmp_path, capsys):
    shutil.copy(changed / 'labels_base.txt', changed / 'labels_novel.txt')
    assert '4 classes are base and novel' in refused(world, changed, tmp_path, capsys)


def test_missing_weights_are_explained(world, tmp_path, capsys):
    option = f'model.backbone.foundation.checkpoint={tmp_path / "none.pth"}'
    said = refused(world, world.folder, tmp_path, capsys, '--cfg-options', option)
    assert 'foundation weights not found' in said and 'none.pth' in said


def test_protocol_without_configs_for_a_data_set_is_refused(capsys):
    assert run_protocol.main(['supervised', '--dataset', 'ucf101']) == 2
    assert 'kinetics400, shapes' in capsys.readouterr().err


def test_arguments_are_read_without_torch():
    code = 'import sys; from tools import run_protocol; run_protocol.parse_args(sys.argv[1:]);'
    code += 'from projects.msta.commands import run_protocol; assert "torch" not in sys.modules'
    root = Path(run_protocol.__file__).resolve().parents[1]
    arguments = ['supervised', '--dataset', 'shapes']
    subprocess.run([sys.executable, '-c', code, *arguments], cwd=root, check=True)
