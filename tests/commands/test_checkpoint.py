"""tools/checkpoint.py: reading, comparing, averaging and publishing adapters."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from projects.msta.apis import MSTAInferencer
from projects.msta.foundation import load_foundation, save_foundation
from projects.msta.inference.averaging import average_files
from projects.msta.inference.cards import metrics_of, save_state
from projects.msta.models.checkpoints import EXTRA_STATE, RECIPE, CheckpointError, read_checkpoint
from projects.msta.models.recipe import Recipe


@pytest.fixture
def pair(tiny):
    return tiny / 'adapters.pth', tiny / 'adapters2.pth'


def test_info_names_what_matters(run, pair):
    status, out, _ = run('checkpoint.py', 'info', pair[0])
    checkpoint = read_checkpoint(pair[0])
    assert status == 0
    assert checkpoint.facts.fingerprint in out and 'MSTAAdapter(blocks=[2, 3], dim=8' in out
    total = sum(tensor.numel() for tensor in checkpoint.trained.values())
    assert f'{total:,} parameters' in out


def test_diff_tells_equal_from_different(run, pair, tmp_path):
    shutil.copy(pair[0], tmp_path / 'copy.pth')
    assert run('checkpoint.py', 'diff', pair[0], tmp_path / 'copy.pth')[:2] == (0, '')
    status, out, _ = run('checkpoint.py', 'diff', *pair)
    assert status == 1 and out.count('%') == len(read_checkpoint(pair[0]).trained)


def test_a_mean_lies_between_and_loads(run, pair, tiny, tmp_path):
    out = tmp_path / 'mean.pth'
    assert run('checkpoint.py', 'merge', *pair, '--out', out, '--weights', 3, 1)[0] == 0
    one, two, mean = (read_checkpoint(path) for path in (*pair, out))
    for name, tensor in mean.trained.items():
        torch.testing.assert_close(tensor, 0.75 * one.trained[name] + 0.25 * two.trained[name])
    with MSTAInferencer(tiny / 'config.py', out) as made:
        assert made(str(tiny / 'videos' / 'clip 0.mp4'))[0].ok


def test_a_whole_zero_shot_share_is_the_bare_foundation(pair, tiny, tmp_path):
    average_files(pair[:1], tmp_path / 'zero.pth', zero_shot=1.0)
    video = str(tiny / 'videos' / 'clip 1.mp4')
    weights = tiny / 'foundation.safetensors'
    scores = []
    for given in (dict(checkpoint=tmp_path / 'zero.pth', foundation=weights), {}):
        config = None if given else weights
        with MSTAInferencer(config, labels=['a', 'b', 'c'], **given) as made:
            result = made(video)[0]
            scores.append([dict(zip(result.labels, result.cosines, strict=True))[n] for n in 'abc'])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_adapters_of_several_labels_stay_so(run, pair, tmp_path):
    said = Recipe(['a', 'b'], ['{}'], multi_class=True, logit_bias=-2.0, threshold=0.5)
    for name, recipe in (('one', said), ('two', replace(said, logit_bias=-4.0, threshold=0.3))):
        state = read_checkpoint(pair[0]).state_dict | {RECIPE: recipe.pack()}
        save_state(state, tmp_path / f'{name}.pth')
    both, out = [tmp_path / 'one.pth', tmp_path / 'two.pth'], tmp_path / 'mean.pth'
    status, text, _ = run('checkpoint.py', 'diff', *both)
    assert (status, text) == (1, 'logit_bias: -2.0 != -4.0\nthreshold: 0.5 != 0.3\n')
    assert run('checkpoint.py', 'merge', *both, '--out', out)[0] == 0
    assert read_checkpoint(out).recipe == replace(said, logit_bias=-3.0, threshold=0.4)
    assert 'several labels per video, shown from 0.40 on' in run('checkpoint.py', 'info', out)[1]
    status, _, error = run('checkpoint.py', 'merge', both[0], pair[0], '--out', tmp_path / 'no.pth')
    assert status == 2 and 'one label per video, others for several' in error


def test_only_what_belongs_together_is_averaged(pair, tiny, tmp_path):
    out = tmp_path / 'mean.pth'
    with pytest.raises(CheckpointError, match='weights'):
        average_files(pair[:1], out, [1.0, 2.0])
    with pytest.raises(CheckpointError, match='negative'):
        average_files(pair, out, [1.0, -2.0])
    with pytest.raises(CheckpointError, match='must be numbers'):
        average_files(pair, out, [1.0, float('nan')])
    with pytest.raises(CheckpointError, match='one of the files'):
        average_files(pair, pair[1])
    one = read_checkpoint(pair[0])
    other = read_checkpoint(pair[1])
    text = bytes(other.state_dict[EXTRA_STATE].tolist()).decode()
    changed = text.replace(one.facts.fingerprint, 'f' * 32)
    other.state_dict[EXTRA_STATE] = torch.tensor(list(changed.encode()), dtype=torch.uint8)
    save_state(other.state_dict, tmp_path / 'foreign.pth')
    files, foundation = [pair[0], tmp_path / 'foreign.pth'], tiny / 'foundation.safetensors'
    with pytest.raises(CheckpointError, match='another foundation'):
        average_files(files, out, foundation=foundation)


def test_a_file_of_an_earlier_version_is_averaged_beside_its_weights(run, pair, tiny, tmp_path):
    foundation = load_foundation(tiny / 'foundation.safetensors')
    with torch.no_grad():
        foundation.visual.conv1.weight.view(-1)[0] = -0.0
    weights, out = tmp_path / 'zero.safetensors', tmp_path / 'mean.pth'
    save_foundation(foundation, weights, torch.float32)
    files = [tmp_path / 'old.pth', tmp_path / 'new.pth']
    for path, signed in zip(files, (True, False), strict=True):
        state = read_checkpoint(pair[0]).state_dict
        facts = json.loads(bytes(state[EXTRA_STATE].tolist()))
        facts['fingerprint'] = foundation.fingerprint(signed_zeros=signed)
        state[EXTRA_STATE] = torch.tensor(list(json.dumps(facts).encode()), dtype=torch.uint8)
        save_state(state, path)
    status, _, error = run('checkpoint.py', 'merge', *files, '--out', out)
    assert status == 2 and 'another foundation' in error and '--foundation FILE' in error
    assert run('checkpoint.py', 'merge', *files, '--out', out, '--foundation', weights)[0] == 0


def test_a_folder_to_push_has_the_trained_tensors_and_a_card(run, pair, tmp_path):
    content = torch.load(pair[0], weights_only=True)
    log = {'log': torch.tensor([0.1, 0.75]), 'count': torch.tensor([1, 1]), 'max': 10}
    content['message_hub'] = {'log_scalars': {'val/acc/top1': log}}
    content['optimizer'] = {'state': torch.zeros(1000)}
    torch.save(content, tmp_path / 'epoch_1.pth')
    out = tmp_path / 'push'
    given = ['push-ready', tmp_path / 'epoch_1.pth', '--out', out, '--licence', 'cc-by-4.0']
    assert run('checkpoint.py', *given)[0] == 0
    card = (out / 'README.md').read_text()
    assert 'license: cc-by-4.0' in card and '| acc/top1 | 0.7500 |' in card
    small = read_checkpoint(out / 'adapters.pth')
    assert set(small.extras) == {'meta'} and small.facts == read_checkpoint(pair[0]).facts
    assert metrics_of(small) == {}
    status, _, error = run('checkpoint.py', *given)
    assert status == 2 and 'exists already' in error


def test_a_file_that_could_run_code_is_refused(run, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / 'ran'), 'w'))

    torch.save({'state_dict': {}, 'bomb': Bomb()}, tmp_path / 'bad.pth')
    status, _, error = run('checkpoint.py', 'info', tmp_path / 'bad.pth')
    assert status == 2 and 'refused' in error
    assert not (tmp_path / 'ran').exists()
