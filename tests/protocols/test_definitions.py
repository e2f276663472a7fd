"""The lists that protocols name are those that the data tools write; checks before a run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from projects.msta.commands import make_splits, run_protocol
from projects.msta.commands.protocol_arguments import make_request
from projects.msta.datasets.lists.annotations import write_lines
from projects.msta.datasets.lists.published import PUBLISHED
from projects.msta.datasets.shapes.contents import Recipe, text_names
from projects.msta.labels import read_labels
from projects.msta.paths import CONFIGS
from projects.msta.protocols.definitions import (
    CLASS_COUNTS,
    DATASETS,
    PROTOCOLS,
    ProtocolError,
    cells,
)
from projects.msta.protocols.manifest import class_names
from projects.msta.protocols.plan import make_plan
from projects.msta.protocols.recipes import find_recipes
from projects.msta.training.preprocessing import use_foundation

SEEDS = (1, 2, 3)


def lists_of(protocol: str, dataset: str, published: bool = False):
    """Every list a protocol names, with its labels."""
    for cell in cells(protocol, dataset, SEEDS, published=published):
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


def test_seeds_and_shots_draw_other_lists():
    drawn = [cell.train.videos for cell in cells('few_shot', 'ucf101', SEEDS)]
    assert len(set(drawn)) == len(drawn) == 12
    assert len({cell.name for cell in cells('few_shot', 'ucf101', SEEDS)}) == 12


def test_shots_are_those_asked_for_where_there_are_shots():
    (cell,) = cells('base2novel', 'hmdb51', (1,), (8,))
    assert cell.train.videos == 'base_train_8shot_seed1.txt' and cell.name == '8shot_seed1'
    assert [cell.shots for cell in cells('base2novel', 'hmdb51', (1,))] == [16]


@pytest.mark.parametrize(
    ('protocol', 'dataset', 'shots', 'published', 'said'),
    [
        ('supervised', 'kinetics400', (8,), False, 'trains on all videos'),
        ('zero_shot', 'hmdb51', (8,), False, 'trains on all videos'),
        ('base2novel', 'hmdb51', (4, 8), False, 'one number of shots'),
        ('base2novel', 'hmdb51', (8,), True, 'of other than 16 shots'),
        ('few_shot', 'shapes', (8,), True, 'of the Shapes world'),
    ],
)
def test_what_would_be_ignored_is_refused(protocol, dataset, shots, published, said):
    with pytest.raises(ProtocolError, match=said):
        cells(protocol, dataset, (1,), shots, published)


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


def planned(world, folder: Path, tmp_path: Path, protocol: str, *more: str):
    """The plan that arguments lead to."""
    arguments = world.arguments(protocol, tmp_path / 'out', '--seeds', 1, *more)
    if folder != world.folder:
        arguments += ['--data', str(folder)]
    args = run_protocol.parser.parse_args(arguments)
    return make_plan(make_request(args))


def test_classes_of_a_data_folder_are_taken(world, changed, tmp_path):
    """Its own labels.txt, or --labels, in the place of a shipped list or the config's."""
    names = [f'class {number}' for number in range(8)]
    write_lines(changed / 'labels.txt', names)
    more = ('--dataset', 'hmdb51', '--shots', '2')
    (run,) = planned(world, changed, tmp_path, 'few_shot', *more).runs
    assert class_names(run.config) == names == class_names(run.tests[0].config)
    (run,) = planned(world, world.folder, tmp_path, 'few_shot', *more).runs
    assert class_names(run.config) == read_labels('hmdb51')
    named = ('--labels', str(changed / 'labels.txt'))
    (run,) = planned(world, world.folder, tmp_path, 'few_shot', *more, *named).runs
    assert class_names(run.config) == names
    # Halves come with lists of their own.
    (run,) = planned(world, changed, tmp_path, 'base2novel', *named).runs
    assert len(class_names(run.config)) == 4


def test_a_config_is_found_by_its_name(world, tmp_path):
    (run,) = planned(
        world, world.folder, tmp_path, 'base2novel', '--config', 'msta_tiny_shapes'
    ).runs
    assert run.recipe.file == CONFIGS / 'msta_tiny_shapes.py'


def test_number_of_descriptions_is_that_of_the_recipe(world, tmp_path, capsys):
    said = refused(
        world, world.folder, tmp_path, capsys, '--cfg-options', 'model.num_descriptions=3'
    )
    assert 'has 2 descriptions of a kind per class, num_descriptions is 3' in said
    unused = ['--dry-run', '--seeds', '1', '--cfg-options']
    arguments = world.arguments('base2novel', tmp_path / 'out', *unused)
    assert run_protocol.main([*arguments, 'model.num_descriptions=1']) == 0
    assert 'the first 1 are used' in capsys.readouterr().out
    assert run_protocol.main([*arguments, 'model.cls_head.alpha=0']) == 0
    assert 'the consistency loss is off' in capsys.readouterr().out


def test_model_beside_a_config_is_refused(world, tmp_path, capsys):
    said = refused(world, world.folder, tmp_path, capsys, '--model', 'clip-b16')
    assert '--model clip-b16 has no effect' in said


def test_protocol_without_configs_for_a_data_set_is_refused(capsys):
    assert run_protocol.main(['supervised', '--dataset', 'ucf101']) == 2
    assert 'kinetics400, shapes' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('model', 'weights', 'blocks', 'size'),
    [
        ('pe-core-b16', 'PE-Core-B16-224.pt', (8, 12), (224, 224)),
        ('pe-core-l14', 'PE-Core-L14-336.pt', (20, 24), (336, 336)),
        ('siglip-l16-256', 'siglip-large-patch16-256', (20, 24), (256, 256)),
        ('clip-long-b16', 'longclip-B.pt', (8, 12), (-1, 224)),
    ],
)
def test_every_preset_is_a_model(model, weights, blocks, size):
    """Its weights, as many blocks from the top, and views that do not contradict it."""
    for protocol, dataset in (('few_shot', 'ucf101'), ('zero_shot', 'hmdb51')):
        cfg = find_recipes(protocol, dataset, model, 16)[1].read()
        use_foundation(cfg)
        backbone = cfg.model.backbone
        assert Path(backbone.foundation.checkpoint).name == weights
        last = blocks[1]
        assert backbone.adapter.blocks == (blocks if protocol == 'few_shot' else (1, last))
        steps = cfg.test_dataloader.dataset.pipeline
        (scale,) = (step.scale for step in steps if step.type == 'Resize')
        assert scale == size or (protocol == 'zero_shot' and scale == (-1, 256))


def test_unknown_models_are_named(capsys):
    arguments = ['few_shot', '--dataset', 'hmdb51', '--model', 'pe-core-b61', '--dry-run']
    assert run_protocol.main(arguments) == 2
    assert "no model 'pe-core-b61'" in (said := capsys.readouterr().err)
    assert 'did you mean' in said and 'siglip-v2-so400m14' in said


def test_arguments_are_read_without_torch_and_mmengine():
    code = 'import sys; from projects.msta.commands import run_protocol, compare_methods;'
    code += 'run_protocol.parser.parse_args(sys.argv[1:]);'
    code += 'assert not {"torch", "mmengine"} & sys.modules.keys()'
    root = Path(run_protocol.__file__).resolve().parents[3]
    arguments = ['supervised', '--dataset', 'shapes']
    subprocess.run([sys.executable, '-c', code, *arguments], cwd=root, check=True)
