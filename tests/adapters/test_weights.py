"""BitFit and full fine-tuning: which weights are trained, which are shared and stored once."""

import pytest
import torch

from tests.adapters.helpers import clip, disturb, make, text_of, trained, video_of, words

FULL, BITFIT = {'type': 'FullFineTuning'}, {'type': 'BitFit'}


def test_full_fine_tuning_trains_all_but_the_token_embedding():
    foundation, adapter = make(FULL)
    frozen = {'text.token_embedding.weight'}
    names = {f'visual.{n}' for n, _ in foundation.visual.named_parameters()}
    names |= {f'text.{n}' for n, _ in foundation.text.named_parameters()}
    assert {
        n.removeprefix('towers.').replace('video.', 'visual.', 1) for n in trained(adapter)
    } == (names - frozen)
    assert adapter.shared == {'towers.text.token_embedding.weight'}


def test_bitfit_trains_the_biases_and_no_other():
    foundation, adapter = make(BITFIT)
    biases = [n for n, _ in foundation.named_parameters() if n.endswith('bias')]
    assert len(trained(adapter)) == len(biases) > 40
    assert all(n.endswith('bias') for n in trained(adapter))


@pytest.mark.parametrize('config', [FULL, BITFIT])
@pytest.mark.parametrize('towers', [('video',), ('text',)])
@torch.no_grad()
def test_one_tower_alone(config, towers):
    foundation, adapter = make({**config, 'towers': towers})
    disturb(adapter)
    video = not torch.equal(video_of(foundation, adapter), foundation.encode_video(clip()))
    text = (text_of(foundation, adapter) - foundation.encode_text(words())).abs().max() > 1e-3
    assert (video, bool(text)) == ('video' in towers, 'text' in towers)


@pytest.mark.parametrize('config', [FULL, BITFIT])
@torch.no_grad()
def test_what_is_not_trained_is_stored_once_and_stays_so_when_moved(config):
    foundation, adapter = make(config)
    whole = torch.nn.ModuleList([foundation, adapter])
    own = sum(p.numel() for p in trained(adapter).values())
    alone = sum(p.numel() for p in foundation.parameters())
    for moved in (whole, whole.double(), whole.to('cpu').float()):
        assert sum(p.numel() for p in moved.parameters()) == own + alone
    for name in adapter.shared:
        _, tower, path = name.split('.', 2)
        original = getattr(foundation, {'video': 'visual', 'text': 'text'}[tower])
        assert adapter.get_parameter(name) is original.get_parameter(path)


@pytest.mark.parametrize('config', [FULL, BITFIT])
@torch.no_grad()
def test_training_starts_from_weights_read_later(config):
    foundation, adapter = make(config)
    for parameter in foundation.parameters():
        parameter.mul_(1.5)
    adapter.foundation_loaded(foundation)
    assert torch.equal(video_of(foundation, adapter), foundation.encode_video(clip()))


@pytest.mark.parametrize('config', [FULL, BITFIT])
@torch.no_grad()
def test_merged_equals_unmerged(config):
    foundation, adapter = make(config)
    disturb(adapter)
    before = foundation.fingerprint()
    merged = adapter.merged(foundation)
    assert torch.equal(merged.encode_video(clip()), video_of(foundation, adapter))
    assert torch.allclose(merged.encode_text(words()), text_of(foundation, adapter), atol=1e-6)
    disturb(adapter)  # the merged model is a copy
    assert not torch.equal(merged.encode_video(clip()), video_of(foundation, adapter))
    assert foundation.fingerprint() == before
