"""What is missing is said before torch is loaded, and a start that fails leaves nothing."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from projects.msta.commands.train import main
from projects.msta.paths import ROOT
from projects.msta.training.start import folder_of_success

MISSING = {
    'model.backbone.foundation.checkpoint=/no/weights.pth': 'foundation weights not found: /no/w',
    'model.labels=/no/labels.txt': '/no/labels.txt',
    'model.descriptions=/no/descriptions.json': '/no/descriptions.json',
    'train_dataloader.dataset.ann_file=/no/list.txt': 'train_dataloader: no list of videos /no/li',
    'val_dataloader.dataset.ann_file=/no/list.txt': 'val_dataloader: no list of videos /no/list',
}


@pytest.mark.parametrize('option', MISSING)
def test_a_missing_file_is_one_line_and_nothing_is_begun(option, experiment, tmp_path, capsys):
    work = tmp_path / 'work'
    options = ['--work-dir', str(work), '--cfg-options', option]
    assert main([str(experiment.fixed), *options]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith('error: ') and MISSING[option] in printed.err
    assert not printed.out and not work.exists()


def test_files_are_looked_for_before_torch(experiment, tmp_path):
    code = (
        'import sys\nfrom projects.msta.training.config import merge_options, read_config\n'
        'from projects.msta.training.start import check_files\n'
        'cfg = read_config(sys.argv[1])\n'
        'for option in sys.argv[2:]:\n'
        '    merge_options(cfg, dict([option.split("=")]))\n'
        'try: check_files(cfg, True)\n'
        'except (OSError, ValueError) as error: print(type(error).__name__)\n'
        'print("torch" in sys.modules)'
    )
    for options, said in (
        ([], ['False']),
        (['train_dataloader.dataset.ann_file=/no'], ['FileNotFoundError', 'False']),
        (['model.labels=/no'], ['LabelError', 'False']),
        (['model.descriptions=/no'], ['DescriptionError', 'False']),
    ):
        done = subprocess.run(
            [sys.executable, '-c', code, str(experiment.fixed), *options],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        assert done.stdout.split() == said


def test_a_metric_that_validation_does_not_give_is_refused(experiment, tmp_path, capsys):
    work = tmp_path / 'work'
    options = ['default_hooks.checkpoint.save_best=top_1']
    assert main([str(experiment.fixed), '--work-dir', str(work), '--cfg-options', *options]) == 2
    error = capsys.readouterr().err
    assert "save_best='top_1'" in error and 'acc/top1' in error
    assert not work.exists()


def test_too_few_videos_for_a_batch_are_an_error(experiment, tmp_path, capsys):
    work = tmp_path / 'work'
    options = ['train_dataloader.batch_size=9', 'train_dataloader.drop_last=True']
    assert main([str(experiment.fixed), '--work-dir', str(work), '--cfg-options', *options]) == 2
    error = capsys.readouterr().err
    assert '8 training videos do not fill one batch of 9' in error and 'drop_last=False' in error
    assert not work.exists()


def test_a_preset_is_found_by_its_name_and_a_near_one_is_named(capsys):
    assert main(['msta_tiny_shape']) == 2
    assert 'msta_tiny_shapes' in capsys.readouterr().err


def test_only_a_new_folder_without_checkpoints_is_removed(tmp_path):
    def fail(folder: Path, *files: str) -> None:
        with contextlib.suppress(ValueError), folder_of_success(folder):
            folder.mkdir(exist_ok=True)
            for name in files:
                (folder / name).touch()
            raise ValueError('it')

    fail(tmp_path / 'new', 'log')
    assert not (tmp_path / 'new').exists()
    fail(tmp_path / 'trained', 'log', 'interrupted.pth')
    assert len(list((tmp_path / 'trained').iterdir())) == 2
    (tmp_path / 'old').mkdir()
    fail(tmp_path / 'old', 'log')
    assert (tmp_path / 'old' / 'log').exists()
