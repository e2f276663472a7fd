"""Hostile, damaged and foreign checkpoints are refused by every part that reads one."""

import importlib.util
import re
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from projects.msta.commands import test as test_tool
from projects.msta.commands import train as train_tool
from projects.msta.foundation import FoundationError, load_foundation
from projects.msta.paths import ROOT
from tests.chaos import hostile

_MOST_MEMORY = 400 << 20  # bytes that refusing may take at its peak


@pytest.fixture(scope='module')
def good(experiment, tmp_path_factory) -> Path:
    """A checkpoint of a training of one epoch."""
    work_dir = tmp_path_factory.mktemp('good')
    train(experiment, work_dir, 'experiment_name=good')
    return work_dir / 'epoch_1.pth'


def train(experiment, work_dir: Path, *options: str, resume: Path | None = None) -> None:
    args = [str(experiment.fixed), '--work-dir', str(work_dir)]
    args += ['--resume', str(resume)] if resume else []
    args += ['--cfg-options', 'train_cfg.max_epochs=1', 'train_dataloader.num_workers=0']
    args += ['train_dataloader.persistent_workers=False', *options]
    train_tool.run(train_tool.parser.parse_args(args))


def call(tool: str, *arguments: object) -> int:
    """A tool's main function in this process."""
    spec = importlib.util.spec_from_file_location('tool', ROOT / 'tools' / tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([str(argument) for argument in arguments])


def read_by_test(experiment, path: Path, folder: Path) -> int:
    args = [str(experiment.fixed), str(path), '--work-dir', str(folder)]
    args += ['--cfg-options', f'experiment_name=test{folder.name}']
    return test_tool.main(args)


def read_by_resume(experiment, path: Path, folder: Path) -> int:
    args = [str(experiment.fixed), '--work-dir', str(folder), '--resume', str(path)]
    args += ['--cfg-options', f'experiment_name=resume{folder.name}']
    return train_tool.main(args)


def read_by_load_from(experiment, path: Path, folder: Path) -> int:
    args = [str(experiment.fixed), '--work-dir', str(folder)]
    args += ['--cfg-options', f'load_from={path}', f'experiment_name=load{folder.name}']
    return train_tool.main(args)


def read_by_inferencer(experiment, path: Path, folder: Path) -> int:
    video = experiment.folder / 'videos' / 'clip 0.mp4'
    given = ['--config', experiment.fixed, '--checkpoint', path, '--device', 'cpu']
    return call('infer.py', video, *given)


def read_by_export(experiment, path: Path, folder: Path) -> int:
    given = [folder / 'exported', '--config', experiment.fixed, '--checkpoint', path]
    return call('export.py', *given, '--no-onnx', '--torch')


def read_by_average(experiment, path: Path, folder: Path) -> int:
    return call('checkpoint.py', 'merge', path, path, '--out', folder / 'mean.pth')


READERS = (
    read_by_test,
    read_by_resume,
    read_by_load_from,
    read_by_inferencer,
    read_by_export,
    read_by_average,
)


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def shortened(message: str) -> str:
    """As much of an error as a table has room for."""
    line = re.sub(r'/\S*/', '.../', message).splitlines()[0]
    return f'"error: {line[:90]}{" ..." if len(line) > 90 else ""}"'


def pairs() -> list[tuple[str, int]]:
    return [(kind, number) for number, kind in enumerate(hostile.TRAINED)]


# tools/checkpoint.py looks at files alone: it cannot know the shapes and names of a model.
NOT_OF_A_FILE = {'wrong shapes', "another foundation's adapters"}


@pytest.mark.parametrize(('kind', 'number'), pairs(), ids=hostile.TRAINED)
def test_trained_checkpoint(experiment, good, chaos, tmp_path, capfd, kind, number):
    marker, path = tmp_path / 'payload-ran', tmp_path / 'given.pth'
    hostile.trained(kind, torch.load(good, weights_only=True), path, marker)
    readers = READERS if chaos.full else (READERS[number % 6],)
    for reader in readers:
        if reader is read_by_average and kind in NOT_OF_A_FILE:
            continue
        name = re.sub(' at .*', '', kind)
        with chaos.attempt(f'trained checkpoint: {name}') as attempt:
            folder = tmp_path / reader.__name__
            folder.mkdir()
            before = peak_memory()
            capfd.readouterr()
            status = reader(experiment, path, folder)
            said = capfd.readouterr().err
            lines = [line for line in said.splitlines() if line.startswith('error: ')]
            assert status == 2 and len(lines) == 1, (reader.__name__, said)
            assert 'Traceback' not in said, (reader.__name__, said)
            assert not marker.exists()
            assert peak_memory() - before < _MOST_MEMORY
            assert not [*folder.rglob('*.pth'), *folder.rglob('*.pt2')]
            attempt.seen = shortened(lines[0].removeprefix('error: '))


def test_adapters_alone_cannot_be_resumed(experiment, good, chaos, tmp_path, capfd):
    path = tmp_path / 'given.pth'
    torch.save({'state_dict': torch.load(good, weights_only=True)['state_dict']}, path)
    with chaos.attempt('trained checkpoint: adapters alone, resumed') as attempt:
        assert read_by_resume(experiment, path, tmp_path / 'run') == 2
        said = capfd.readouterr().err
        assert 'error: training cannot continue' in said and 'Traceback' not in said
        attempt.seen = '"error: training cannot continue from this checkpoint, it lacks ..."'


def test_config_in_a_checkpoint_is_not_run(experiment, good, chaos, tmp_path):
    marker, path = tmp_path / 'payload-ran', tmp_path / 'given.pth'
    content = torch.load(good, weights_only=True)
    content['meta']['config'] = f'import os\nos.mkdir({str(marker)!r})\n'
    torch.save(content, path)
    with chaos.attempt('trained checkpoint: Python code as its config') as attempt:
        train(experiment, tmp_path / 'run', 'experiment_name=code', resume=path)
        assert not marker.exists()
        attempt.seen = 'nothing: the code is dropped unread'


def test_files_elsewhere_are_not_removed(experiment, good, chaos, tmp_path):
    victim, path = tmp_path / 'precious.pth', tmp_path / 'given.pth'
    victim.write_text('dear')
    content = torch.load(good, weights_only=True)
    info = content['message_hub']['runtime_info']
    info.update(best_ckpt=str(victim), last_ckpt=str(victim), best_score=-1.0)
    torch.save(content, path)
    with chaos.attempt('trained checkpoint: names files elsewhere as outdated') as attempt:
        options = ('train_cfg.max_epochs=2', 'experiment_name=removal')
        train(experiment, tmp_path / 'run', *options, resume=path)
        assert list((tmp_path / 'run').glob('best_*.pth')) and victim.read_text() == 'dear'
        attempt.seen = 'nothing: only files of the work folder are replaced'


# ---------------------------------------------------------------------- foundation files


def _layers(state: dict) -> None:
    key = next(key for key in state if 'transformer.resblocks.1.ln_1.weight' in key)
    state[key.replace('.1.', '.99999.')] = state[key].clone()


def _wide(state: dict) -> None:
    state['vision_encoder.conv1.weight'] = torch.zeros(200_000, 3, 1, 1, 1)


def _scalar(state: dict) -> None:
    state['vision_encoder.conv1.weight'] = torch.tensor(1.0)


def _nan(state: dict) -> None:
    state['text_encoder.ln_final.weight'][0] = float('nan')


def _repeated(state: dict) -> None:
    state['text_encoder.token_embedding.weight'] = torch.zeros(1).expand(10**7, 10**6)


def _shape(state: dict) -> None:
    state['vision_encoder.ln_post.weight'] = torch.zeros(3)


FOUNDATIONS = {
    'NaN weights': _nan,
    'wrong shapes': _shape,
    'a block far above the others': _layers,
    'a width that would take terabytes': _wide,
    'a number for a matrix': _scalar,
    'tensor that declares 40 TB': _repeated,
}
FORMS = ('.pth', 'legacy .pth', '.safetensors')


@pytest.mark.parametrize('kind', FOUNDATIONS)
@pytest.mark.parametrize('form', FORMS)
def test_foundation_file(experiment, chaos, tmp_path, kind, form):
    from safetensors.torch import load_file

    state = load_file(experiment.folder / 'foundation.safetensors')
    state = {key: value.clone() for key, value in state.items()}
    FOUNDATIONS[kind](state)
    path = tmp_path / 'given.pth'
    if form == '.safetensors':
        if kind.startswith('tensor that declares'):
            pytest.skip('safetensors cannot repeat stored values')
        save_file(state, path)
    else:
        torch.save({'model': state}, path, _use_new_zipfile_serialization=form == '.pth')
    with chaos.attempt(f'foundation file: {kind}') as attempt:
        before = peak_memory()
        with pytest.raises(FoundationError) as error:
            load_foundation(path)
        assert peak_memory() - before < _MOST_MEMORY
        message = str(error.value)
        assert str(path) in message
        attempt.seen = shortened(message)


@pytest.mark.parametrize('kind', hostile.TRAINED[:9])
def test_hostile_foundation_file(experiment, chaos, tmp_path, kind):
    marker, path = tmp_path / 'payload-ran', tmp_path / 'given.pth'
    good = {
        'state_dict': load_foundation(experiment.folder / 'foundation.safetensors').state_dict()
    }
    hostile.trained(kind, good, path, marker)
    with chaos.attempt(f'foundation file: {re.sub(" at .*", "", kind)}') as attempt:
        before = peak_memory()
        with pytest.raises(FoundationError) as error:
            load_foundation(path)
        assert not marker.exists() and peak_memory() - before < _MOST_MEMORY
        attempt.seen = shortened(str(error.value))


@pytest.mark.parametrize(
    'metadata', [{'heads': 'many'}, {'heads': '0'}, {'heads': '7'}, {'activation': 'os.system'}]
)
def test_foundation_file_with_odd_metadata(experiment, chaos, tmp_path, metadata):
    from safetensors.torch import load_file

    path = tmp_path / 'given.safetensors'
    save_file(load_file(experiment.folder / 'foundation.safetensors'), path, metadata)
    with chaos.attempt('foundation file: odd metadata') as attempt:
        with pytest.raises(FoundationError) as error:
            load_foundation(path)
        attempt.seen = shortened(str(error.value))
