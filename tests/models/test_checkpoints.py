"""The reader of checkpoints: what a file is, and what adapters say of their use."""

import io
import json
import zipfile

import pytest
import torch

from projects.msta.foundation import save_foundation
from projects.msta.models import CheckpointError
from projects.msta.models.checkpoints import (
    DamagedCheckpointError,
    NotAdaptersError,
    read_checkpoint,
)
from projects.msta.models.recipe import Recipe
from tests.models.conftest import LABELS

VIEWS = [
    {'type': 'MSTADecordInit'},
    {'type': 'UniformSample', 'clip_len': 4, 'test_mode': True},
    {'type': 'Resize', 'scale': (-1, 16)},
]


@pytest.fixture
def adapters(build, tmp_path):
    model = build(template='watch {}.')
    model.test_pipeline = VIEWS
    path = tmp_path / 'adapters.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return path


def identify(path):
    """What the reader takes a file for."""
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        return type(error)
    return None


class Bomb:
    def __reduce__(self):
        return (print, ('never',))


def test_every_kind_of_file_is_told_from_the_others(adapters, build, tmp_path):
    whole = adapters.read_bytes()
    foundation = build().backbone.foundation
    kinds = (None, NotAdaptersError, DamagedCheckpointError, CheckpointError)
    files = {kind: [] for kind in kinds}

    def add(kind, name, content):
        (tmp_path / name).write_bytes(content)
        files[kind].append(tmp_path / name)

    files[None] = [adapters]
    save_foundation(foundation, tmp_path / 'weights.safetensors')
    buffer, legacy, script = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({'model': foundation.state_dict()}, buffer)
    torch.save(foundation.state_dict(), legacy, _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
    files[NotAdaptersError] = [tmp_path / 'weights.safetensors', tmp_path]
    add(NotAdaptersError, 'weights.pth', buffer.getvalue())
    add(NotAdaptersError, 'legacy.pth', legacy.getvalue())
    add(NotAdaptersError, 'script.pt', script.getvalue())
    for share in (0.02, 0.5, 0.99):
        add(DamagedCheckpointError, f'cut{share}.pth', whole[: int(share * len(whole))])
    add(DamagedCheckpointError, 'empty.pth', b'')
    changed = bytearray(whole)
    with zipfile.ZipFile(adapters) as archive:
        entry = next(e for e in archive.infolist() if e.filename.endswith('data.pkl'))
    start = entry.header_offset + 30 + len(entry.filename) + 80
    changed[start : start + 400] = bytes(400)
    add(DamagedCheckpointError, 'changed.pth', bytes(changed))
    add(NotAdaptersError, 'notes.txt', b'what I did on Monday\n')
    buffer = io.BytesIO()
    torch.save({'state_dict': {}, 'bomb': Bomb()}, buffer)
    add(CheckpointError, 'bomb.pth', buffer.getvalue())
    found = {path.name: identify(path) for paths in files.values() for path in paths}
    assert found == {path.name: kind for kind, paths in files.items() for path in paths}
    with pytest.raises(FileNotFoundError, match=r'adapters\.pth'):
        identify(tmp_path / 'gone.pth')
    with pytest.raises(DamagedCheckpointError, match='damaged'):
        read_checkpoint(tmp_path / 'cut0.5.pth')
    with pytest.raises(NotAdaptersError, match='not a checkpoint of this project'):
        read_checkpoint(tmp_path / 'weights.pth')


def test_adapters_know_their_labels_prompts_and_views(adapters):
    recipe = read_checkpoint(adapters).recipe
    assert (recipe.labels, recipe.templates) == (LABELS, ['watch {}.'])
    assert recipe.test_pipeline == VIEWS  # pairs are tuples again


def test_adapters_from_before_still_load(adapters, build):
    content = torch.load(adapters, weights_only=True)
    del content['state_dict']['_extra_state']
    torch.save(content, adapters)
    assert read_checkpoint(adapters).recipe == Recipe()
    model = build()
    model.load_state_dict(content['state_dict'], strict=True)
    assert model.labels == LABELS


def test_adapters_of_several_labels_know_their_bias_and_threshold(build):
    several = {'type': 'ConsistencyHead', 'multi_class': True}
    model = build(cls_head={**several, 'logit_bias': -7.25, 'threshold': 0.3})
    state = model.state_dict()
    loaded = build(cls_head=several)
    loaded.load_state_dict(state)
    assert (loaded.cls_head.logit_bias, loaded.cls_head.threshold) == (-7.25, 0.3)
    own = build(cls_head={**several, 'logit_bias': -1.0, 'threshold': 0.6})
    own.load_state_dict(state)  # what a config says is kept
    assert (own.cls_head.logit_bias, own.cls_head.threshold) == (-1.0, 0.6)
    with pytest.warns(UserWarning, match='trained for several labels per video'):
        build().load_state_dict(state)


def packed(**changes):
    text = json.dumps({'labels': ['a'], 'templates': ['{}'], **changes})
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


@pytest.mark.parametrize(
    'changes',
    [
        {'test_pipeline': [{'type': 'os.system', 'command': 'id'}]},
        {'test_pipeline': [{'type': 'Resize', 'scale': {'type': 'os.system'}}]},
        {'test_pipeline': 'Resize'},
        {'labels': [1, 2]},
        {'labels': 7},
        {'logit_scale': 'large'},
        {'multi_class': True, 'threshold': 'high'},
    ],
)
def test_a_file_cannot_ask_for_more_than_it_may(adapters, changes):
    content = torch.load(adapters, weights_only=True)
    content['state_dict']['_extra_state'] = packed(**changes)
    torch.save(content, adapters)
    with pytest.raises(CheckpointError, match=r'adapters\.pth'):
        read_checkpoint(adapters)


def test_views_of_ones_own_making_are_left_out(build):
    model = build()
    model.test_pipeline = [{'type': 'MyOwnStep'}]
    assert Recipe.unpack(model.get_extra_state()).test_pipeline is None
