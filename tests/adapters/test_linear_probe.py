"""Linear probe: a map of the video embedding, and nothing else."""

import torch

from tests.adapters.helpers import clip, disturb, make, text_of, video_of, words


@torch.no_grad()
def test_it_maps_the_frozen_embedding():
    foundation, adapter = make({'type': 'LinearProbe'})
    disturb(adapter)
    frozen = foundation.encode_video(clip())
    assert torch.allclose(video_of(foundation, adapter), frozen @ adapter.map.weight.T, atol=1e-6)
    # The same scores as class weights tied to the names: v . (M^T w).
    text = text_of(foundation, adapter)
    assert torch.equal(text, foundation.encode_text(words()))
    scores = video_of(foundation, adapter) @ text.T
    assert torch.allclose(scores, frozen @ (text @ adapter.map.weight).T, atol=1e-4)


def test_the_frozen_tower_keeps_no_activations():
    foundation, adapter = make({'type': 'LinearProbe'})
    embeds = video_of(foundation, adapter)
    assert not foundation.encode_video(clip()).requires_grad and embeds.requires_grad
